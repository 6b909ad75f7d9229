"""Outside material: messages that people wrote to people about films, from ReDial (Li et al., 2018, arXiv 1812.07617).

Nothing here was written for Sidra. Seekers' messages of the validation dialogues are read by the rules, each on its
own; titles were marked by their writers, so it is known which film is meant. Only linking is measured with certainty;
what people felt about a film was asked once a dialogue and not for each message, so those figures are coarse.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.intent import Intent
from agents.understanding.roles import Roles
from agents.understanding.rules import RuleUnderstanding
from agents.understanding.scene import Scene
from agents.view import make_title_index
from eval.figures import Progress, Report, make_context
from recsys_core.catalog.benchmarks import DATA_DIR_VARIABLE
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.errors import ConfigError, DataError
from tools.titles import plain, title_forms, without_article

FILE = "redial/valid_data.jsonl.gz"
"""Where the dialogues lie in the folder of research sets."""
EXAMPLES = 40
"""Mistakes of each kind that are told."""
_MENTION = re.compile(r"@(\d+)")
_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")


@dataclass(frozen=True)
class Mention:
    """A film in a message.

    Attributes:
        title: as it was marked, without year.
        year: its year; None where none was given.
        liked: what the seeker said of it afterwards: 1 yes, 0 no, 2 didn't say.
        seen: the same for having seen it.
        suggested: 1 when the other side brought it up.
    """

    title: str
    year: int | None
    liked: int
    seen: int
    suggested: int


@dataclass(frozen=True)
class Message:
    """One message of a seeker.

    Attributes:
        text: with titles written out, without their years, as people type them.
        mentions: films in it.
        entities: words that others have marked as kinds, people or films.
    """

    text: str
    mentions: tuple[Mention, ...]
    entities: tuple[str, ...]


@dataclass
class Counts:
    """What reading all messages came to."""

    messages: int = 0
    mentions: int = 0
    known: int = 0
    linked: int = 0
    right: int = 0
    found: int = 0
    silent: int = 0
    silent_linked: int = 0
    kinds: int = 0
    kinds_found: int = 0
    opinions: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, str]] = field(default_factory=list)


def find_redial(data_dir: Path | None) -> Path:
    """The file of dialogues in the folder of research sets.

    Raises:
        ConfigError: no folder is named, or it doesn't hold them.
    """
    if data_dir is None:
        raise ConfigError(
            f"say where the research sets are: --data-dir FOLDER or the environment variable {DATA_DIR_VARIABLE}"
        )
    path = data_dir / FILE
    if not path.is_file():
        raise ConfigError(f"{data_dir} holds no {FILE}; docs/evaluation.md says what it is")
    return path


def read_redial(path: Path) -> Iterator[Message]:
    """Messages of seekers, in order.

    Raises:
        DataError: names the line that isn't a dialogue.
    """
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                dialogue: dict[str, Any] = json.loads(line)
                yield from _messages(dialogue)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataError(f"{path.name}, line {number}: not a dialogue of ReDial ({error})") from error


def _messages(dialogue: dict[str, Any]) -> Iterator[Message]:
    names: dict[str, str] = dialogue["movieMentions"] or {}
    opinions: dict[str, dict[str, int]] = dialogue["initiatorQuestions"] or {}
    for message in dialogue["messages"]:
        if message["senderWorkerId"] != dialogue["initiatorWorkerId"]:
            continue
        found = [i for i in _MENTION.findall(message["text"]) if names.get(i)]
        text = _MENTION.sub(lambda m: _without_year(names.get(m[1]) or m[0])[0], message["text"])
        mentions = []
        for film in dict.fromkeys(found):
            said = opinions.get(film, {})
            title, year = _without_year(names[film])
            mentions.append(Mention(title, year, said.get("liked", 2), said.get("seen", 2), said.get("suggested", 2)))
        yield Message(" ".join(text.split()), tuple(mentions), tuple(message.get("entity", ())))


def _without_year(name: str) -> tuple[str, int | None]:
    name = " ".join(name.split())
    year = _YEAR.search(name)
    return (_YEAR.sub("", name), int(year[1])) if year else (name, None)


class Films:
    """Which item of a catalogue a film is: by title and year, never by likeness.

    Args:
        catalogue: its items.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        year = Roles.of(catalogue).year
        self._years = catalogue.numbers(year) if year else None
        self._items: dict[str, list[int]] = defaultdict(list)
        for index, title in enumerate(catalogue.titles):
            for form in {without_article(form) for form in title_forms(title)[:2]}:
                self._items[form].append(index)

    def of(self, mention: Mention) -> frozenset[int]:
        """Items that a mention may be: one, or several entries of the same film; empty when the catalogue lacks it."""
        found = self._items.get(without_article(plain(mention.title)), [])
        if mention.year is None or self._years is None:
            return frozenset(found if len(found) == 1 else [])
        return frozenset(i for i in found if abs(float(self._years[i]) - mention.year) <= 1)


def evaluate_redial(
    recommender: Any, path: Path, *, seed: int = 0, command: str | None = None, progress: Progress | None = None
) -> Report:
    """Read all seekers' messages by the rules and compare links with what was marked.

    Args:
        recommender: an open recommender of a film catalogue.
        path: from :func:`find_redial`.
        seed: told in the context; nothing here is random.
        command: command line for the context.
        progress: told every few hundred messages.

    Raises:
        DataError: the file isn't ReDial's, or none of its films is in the catalogue.
    """
    catalogue: Catalogue = recommender.catalogue
    rules = RuleUnderstanding(catalogue, make_title_index(recommender))
    films = Films(catalogue)
    counts = Counts()
    messages = list(read_redial(path))
    for number, message in enumerate(messages, 1):
        intent = rules.understand(message.text, Scene())
        _links(message, intent, films, catalogue, counts)
        _kinds(message, intent, catalogue, rules.roles, counts)
        if progress is not None and number % 200 == 0:
            progress("messages", number, len(messages))
    if not counts.known:
        raise DataError("no film of ReDial is in this catalogue; import MovieLens-100K (`sidra import`) for this")
    release = str(getattr(getattr(recommender, "release", None), "id", ""))
    return Report(
        figures=redial_figures(counts),
        context=make_context(seed=seed, release=release, command=command),
        detail={"examples": counts.examples, "opinions": dict(counts.opinions)},
    )


def redial_figures(counts: Counts) -> dict[str, float]:
    """The flat figures."""
    opinions = counts.opinions
    precision = counts.right / counts.linked if counts.linked else 0.0
    recall = counts.found / counts.known if counts.known else 0.0
    return {
        "redial_messages": counts.messages,
        "redial_mentions": counts.mentions,
        "redial_mentions_in_catalogue": counts.known,
        "redial_link_precision": precision,
        "redial_link_recall": recall,
        "redial_link_f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        "redial_messages_without_mention": counts.silent,
        "redial_false_link_rate": counts.silent_linked / max(counts.silent, 1),
        "redial_kinds": counts.kinds,
        "redial_kind_recall": counts.kinds_found / max(counts.kinds, 1),
        "redial_liked": opinions["liked"],
        "redial_liked_as_example": opinions["liked as example"] / max(opinions["liked"], 1),
        "redial_disliked": opinions["disliked"],
        "redial_disliked_as_example": opinions["disliked as example"] / max(opinions["disliked"], 1),
        "redial_unseen": opinions["unseen"],
        "redial_unseen_as_seen": opinions["unseen as seen"] / max(opinions["unseen"], 1),
    }


def _links(message: Message, intent: Intent, films: Films, catalogue: Catalogue, counts: Counts) -> None:
    linked = {catalogue.index(i) for i in _spoken_of(intent)}
    counts.messages += 1
    counts.mentions += len(message.mentions)
    if not message.mentions:
        counts.silent += 1
        counts.silent_linked += bool(linked)
        _example(counts, "false", message, [catalogue.titles[i] for i in sorted(linked)])
        return
    meant: set[int] = set()
    missed = []
    for mention in message.mentions:
        items = films.of(mention)
        meant |= items
        if not items:
            continue
        counts.known += 1
        if items & linked:
            counts.found += 1
            _opinion(mention, {catalogue.ids[i] for i in items}, intent, counts.opinions)
        else:
            missed.append(mention.title)
    counts.linked += len(linked)
    counts.right += len(linked & meant)
    _example(counts, "missed", message, missed)
    _example(counts, "wrong", message, [catalogue.titles[i] for i in sorted(linked - meant)])


def _kinds(message: Message, intent: Intent, catalogue: Catalogue, roles: Roles, counts: Counts) -> None:
    """Kinds that others marked in the message, and whether a wish on them was understood, of either sign."""
    for name in roles.genres[:1]:
        values = {plain(value): value for value in catalogue.fields[name].values}
        heard = {value for wish in intent.wishes if wish.field == name for value in wish.values}
        for entity in dict.fromkeys(message.entities):
            if (value := values.get(plain(entity))) is not None:
                counts.kinds += 1
                counts.kinds_found += value in heard


def _opinion(mention: Mention, ids: set[str], intent: Intent, opinions: Counter[str]) -> None:
    """What became of a film that the seeker brought up, beside what they said of it after the talk."""
    if mention.suggested != 0:
        return
    example = bool(ids & {*intent.anchors, *intent.liked})
    if mention.liked in {0, 1}:
        side = "liked" if mention.liked else "disliked"
        opinions[side] += 1
        opinions[f"{side} as example"] += example
    if mention.seen == 0:
        opinions["unseen"] += 1
        opinions["unseen as seen"] += bool(ids & set(intent.seen))


def _spoken_of(intent: Intent) -> list[str]:
    groups: Sequence[list[str]] = (
        intent.anchors, intent.items, intent.seen, intent.liked, intent.disliked, intent.barred,
    )  # fmt: skip
    return list(dict.fromkeys(item for group in groups for item in group))


def _example(counts: Counts, kind: str, message: Message, titles: Sequence[str]) -> None:
    if titles and sum(e["kind"] == kind for e in counts.examples) < EXAMPLES:
        counts.examples.append({"kind": kind, "text": message.text[:200], "what": ", ".join(titles)})
