"""The whole measurement of profiles: who, what is written, what judges say, what it is worth downstream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eval.figures import Progress, Report, make_context
from eval.profiles.choosing import WAYS, choose, compare_ways, taken
from eval.profiles.config import ProfilesConfig
from eval.profiles.downstream import POPULARITY, SITUATIONS, gains, ndcg_with, situation_of
from eval.profiles.figures import figures
from eval.profiles.kinds import facts_of, simple_profiles
from eval.profiles.lamp_tasks import Ratings, accuracy, genre_choice, tag_choice
from eval.profiles.people import ItemTexts, Person, draw_people, with_few
from eval.profiles.report import Group, JudgeResult, ProfilesDetail
from eval.profiles.scoring import Field, result_of, scores_of, steps_of
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.splits import Split
from recsys_core.encoders.text import TextEncoder
from recsys_core.metrics import Interval, bootstrap_mean
from recsys_core.profiles import Averages, HistoryFacts
from recsys_core.rewards import BumpConfig, BumpScores, Judge, ListJudge
from recsys_core.rewards.embedding_judge import EmbeddingJudge
from recsys_core.rewards.hard import hardness
from recsys_core.rewards.lexical_judge import LexicalJudge

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Texts = dict[int, str]
"""Place of a person -> their profile of one kind."""


class Writes(Protocol):
    """Somebody who writes several profiles of each history."""

    @property
    def name(self) -> str:
        """For the report."""
        ...

    def write_many(self, every: Sequence[HistoryFacts], n: int) -> list[list[str]]:
        """``n`` candidates of each; the first is what would be taken had only one been asked for."""
        ...


class CountingWriter(Writes, Protocol):
    """A writer that tells how it came by its texts."""

    def counts(self) -> dict[str, float]:
        """Figures about the writing."""
        ...


class CountingJudge(ListJudge, Protocol):
    """A judge of lists that tells how it answered."""

    def counts(self) -> dict[str, float]:
        """Figures about the answers."""
        ...


@dataclass(frozen=True)
class World:
    """The data that is measured on.

    Attributes:
        dataset: its name.
        catalogue: items.
        log: interactions.
        split: leave-last-out.
        encoder: of the embedding judge.
        recommender: for the downstream part; None leaves it out.
        release: id of the recommender's release; empty without one.
    """

    dataset: str
    catalogue: Catalogue
    log: InteractionLog
    split: Split
    encoder: TextEncoder
    recommender: Any = None
    release: str = ""


@dataclass
class Written:
    """Profiles of one view of the people.

    Attributes:
        people: who.
        kinds: kind -> place of a person -> text; kinds of a language model hold some people only.
        candidates: the language model's, of the people in ``asked``.
        asked: int64, their places.
        chosen: way of choosing -> int64[asked].
    """

    people: list[Person]
    kinds: dict[str, Texts]
    asked: Ints
    candidates: list[list[str]] = field(default_factory=list)
    chosen: dict[str, Ints] = field(default_factory=dict)

    def texts(self, kind: str, places: Ints) -> list[str]:
        """Profiles of some people."""
        return [self.kinds[kind][int(place)] for place in places]


def evaluate_profiles(
    world: World,
    config: ProfilesConfig | None = None,
    *,
    writer: CountingWriter | None = None,
    trained: Writes | None = None,
    leave_out: frozenset[str] = frozenset(),
    llm_judge: Callable[[], CountingJudge] | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure profiles of every kind.

    Args:
        world: the data.
        config: how many, and how.
        writer: a language model's profiles; None leaves ``one`` and ``best_of_n`` out.
        trained: a trained writer; None leaves ``trained`` out.
        leave_out: ids of users that the trained writer learned from; nobody of them is measured.
        llm_judge: makes the language model as judge.
        command: for the context.
        progress: told how far the work is.

    Raises:
        ConfigError: fewer than two people fit.
        LLMError: the language model is gone.
    """
    config = config or ProfilesConfig()
    tell = progress or (lambda stage, done, total: None)
    run = _Run(world, config, writer, trained, tell)
    people = draw_people(world.split, config.users, config.seed, leave_out=leave_out)
    written = run.write(people, "profiles", model=writer is not None)
    detail = ProfilesDetail(
        dataset=world.dataset,
        noun=world.catalogue.item_noun,
        users=len(people),
        users_llm=len(written.asked),
        model=writer.name if writer is not None else "",
        judges=run.judge(written, llm_judge),
    )
    if writer is not None:
        detail.choosing = run.ways(written)
    run.lamp(written, detail)
    run.recommend(written, detail)
    if writer is not None:
        detail.writing = writer.counts()
    detail.examples = [
        {kind: texts[place] for kind, texts in written.kinds.items() if place in texts}
        for place in (written.asked if len(written.asked) else range(len(people)))[:3]
    ]
    return Report(
        figures=figures(detail),
        context=make_context(seed=config.seed, release=world.release, command=command),
        detail=detail.model_dump(mode="json"),
    )


class _Run:
    """One measurement's pieces."""

    def __init__(
        self,
        world: World,
        config: ProfilesConfig,
        writer: CountingWriter | None,
        trained: Writes | None,
        tell: Progress,
    ) -> None:
        self.world, self.config, self.writer, self.trained = world, config, writer, trained
        self.tell = tell
        self.averages = Averages(
            world.catalogue, np.bincount(world.split.train_items, minlength=len(world.catalogue)).astype(np.int64)
        )
        self.texts = ItemTexts(world.catalogue)
        self.embedding = EmbeddingJudge(world.encoder, lambda done, total: tell("encoding texts", done, total))
        self._lexical: LexicalJudge | None = None

    @property
    def lexical(self) -> LexicalJudge:
        """Knows the words of the whole catalogue."""
        if self._lexical is None:
            self._lexical = LexicalJudge(self.texts.all())
        return self._lexical

    def write(self, people: list[Person], stage: str, *, model: bool) -> Written:
        """All kinds of profiles, the best of n chosen on the visible slice."""
        facts: list[HistoryFacts] = []
        for number, person in enumerate(people, 1):
            facts.append(facts_of(self.averages, self.world.log, person))
            if number % 25 == 0 or number == len(people):
                self.tell(f"{stage}: facts", number, len(people))
        kinds = {
            kind: dict(enumerate(texts))
            for kind, texts in simple_profiles(self.averages, people, facts, self.config.seed).items()
        }
        if self.trained is not None:
            kinds["trained"] = {place: texts[0] for place, texts in enumerate(self.trained.write_many(facts, 1))}
        written = Written(people, kinds, np.zeros(0, dtype=np.int64))
        if self.writer is None or not model:
            return written
        many = min(self.config.users_llm, len(people))
        written.asked = np.sort(np.random.default_rng([self.config.seed, 5]).choice(len(people), many, replace=False))
        written.candidates = self.writer.write_many([facts[place] for place in written.asked], self.config.n)
        own = [people[place] for place in written.asked]
        written.chosen = choose(self.embedding, written.candidates, Field.slice(own, self.texts), self.config.plain)
        for kind, texts in (
            ("one", [texts[0] for texts in written.candidates]),
            ("best_of_n", taken(written.candidates, written.chosen["both"])),
        ):
            kinds[kind] = dict(zip(written.asked.tolist(), texts, strict=True))
        return written

    def judge(self, written: Written, llm_judge: Callable[[], CountingJudge] | None) -> dict[str, JudgeResult]:
        """What every judge says of every kind."""
        everybody = np.arange(len(written.people))
        # one list, so that what is missing is encoded in one go and found again on disk
        self.embedding.vectors(self._all_texts(written))
        results = {}
        for judge in (self.embedding, self.lexical):
            self.tell(f"judge {judge.name}", 0, 1)
            results[judge.name] = JudgeResult(
                everybody=self.group(judge, written, everybody, self.config.measure),
                with_llm=self.group(judge, written, written.asked, self.config.measure) if len(written.asked) else None,
            )
        if llm_judge is not None and self.config.judge_users >= 2:
            few = (written.asked if len(written.asked) else everybody)[: self.config.judge_users]
            asked = llm_judge()
            group = self.group(asked, written, few, self.config.llm_measure)
            results[asked.name] = JudgeResult(with_llm=group, answers=asked.counts())
        return results

    def group(self, judge: Judge | ListJudge, written: Written, places: Ints, config: BumpConfig) -> Group:
        """Every kind that all of some people have."""
        people = [written.people[place] for place in places]
        held = Field.held_out(people, self.texts)
        seeded = config.model_copy(update={"seed": self.config.seed})
        hard = None
        if config.hard_positives or config.hard_negatives:
            self.tell("hard positives and negatives", 0, 1)
            hard = hardness(self.embedding.vectors, [self.texts(person.visible) for person in people], held.held)
        scores: dict[str, BumpScores] = {}
        kinds = {}
        for kind, texts in written.kinds.items():
            if any(int(place) not in texts for place in places):
                continue
            own = written.texts(kind, places)
            scores[kind] = scores_of(judge, own, held, seeded, hard=hard)
            kinds[kind] = result_of(own, scores[kind], self.config.seed, self.config.resamples)
        steps = steps_of(scores, self.config.seed, self.config.resamples)
        return Group(users=len(people), kinds=kinds, steps=steps)

    def ways(self, written: Written) -> dict[str, Any]:
        """Whether both directions choose better than one, by each judge of pairs."""
        people = [written.people[place] for place in written.asked]
        held = Field.held_out(people, self.texts)
        plain = self.config.plain
        found = {}
        for judge in (self.embedding, self.lexical):
            scores = {
                way: scores_of(judge, taken(written.candidates, written.chosen[way]), held, plain) for way in WAYS
            }
            found[judge.name] = compare_ways(written.chosen, scores, self.config.seed, self.config.resamples)
        return found

    def lamp(self, written: Written, detail: ProfilesDetail) -> None:
        """LaMP-shaped tasks, answered by the embedding judge."""
        people = written.people
        choices = {
            "genre": genre_choice(self.averages, people),
            "tag": tag_choice(self.averages, people, self.config.seed),
        }
        for task, choice in choices.items():
            if choice is None:
                detail.left_out.append(f"next {task}: the catalogue has no such tags")
                continue
            self.tell(f"next {task}", 0, 1)
            detail.lamp[task] = {}
            for kind, texts in written.kinds.items():
                places = np.array(sorted(texts), dtype=np.int64)
                part = choice.of(places)
                detail.lamp[task][kind] = self.mean(accuracy(self.embedding, written.texts(kind, places), part))
        if not Ratings.rated(self.world.log):
            detail.left_out.append("next rating: the interactions have no ratings that differ")
            return
        detail.lamp["rating"] = {}
        for kind, texts in written.kinds.items():
            places = np.array(sorted(texts), dtype=np.int64)
            own = [people[place] for place in places]
            ratings = Ratings(self.world.log, own, self.texts, self.world.split.train_rows)
            detail.lamp["rating"][kind] = self.mean(ratings.errors(self.embedding, written.texts(kind, places)))

    def recommend(self, written: Written, detail: ProfilesDetail) -> None:
        """NDCG@10 of the recommender with each kind."""
        if self.world.recommender is None:
            detail.left_out.append("recommending: no release was opened")
            return
        view = self.write(
            [with_few(person, self.world.split) for person in written.people],
            "profiles of few interactions",
            model=self.config.few_llm,
        )
        for situation in SITUATIONS:
            told = view if situation == "few" else written
            places, histories, targets = situation_of(written.people, self.world.split, situation)
            if not len(places):
                detail.left_out.append(f"recommending, {situation}: nobody is in this situation")
                continue
            found: dict[str, tuple[Ints, Floats]] = {}
            stated = situation == "described"
            for number, (kind, texts) in enumerate(told.kinds.items(), 1):
                rows = np.array([row for row, place in enumerate(places) if int(place) in texts], dtype=np.int64)
                profiles = told.texts(kind, places[rows])
                seen = [histories[row] for row in rows]
                values = ndcg_with(self.world.recommender, seen, targets[rows], profiles, stated=stated)
                found[kind] = (places[rows], values)
                self.tell(f"recommending, {situation}", number, len(told.kinds))
            if stated:
                blank = [""] * len(places)
                popular = ndcg_with(self.world.recommender, histories, targets, blank, model=POPULARITY)
                found[POPULARITY] = (places, popular)
            detail.recommending[situation] = gains(found, self.config.seed, self.config.resamples)

    def mean(self, values: Floats) -> Interval:
        """With its interval."""
        return bootstrap_mean(values, seed=self.config.seed, resamples=self.config.resamples)

    def _all_texts(self, written: Written) -> list[str]:
        # the slice is asked about while choosing and learning from ratings only
        slices = len(written.asked) > 0 or Ratings.rated(self.world.log)
        items = sorted(
            {int(i) for person in written.people for i in (*person.held, *(person.chooses if slices else ()))}
        )
        profiles = [text for texts in written.kinds.values() for _, text in sorted(texts.items())]
        return [*self.texts(items), *profiles]
