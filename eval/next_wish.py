"""Do suggestions name what people choose next? Held-out interactions against suggestions made without them.

A suggestion matches when the next item has all its tags. Broad tags match anything, so every row tells beside its
matches what share of the catalogue its suggestions cover: matching that much is chance, and *lift* is matches divided
by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.llm.none import NoChatModel
from agents.llm.protocol import ChatModel
from agents.next_wish.service import NextWishes, asked_for
from agents.next_wish.state import Suggestion
from agents.next_wish.wording import tags_of
from agents.view import View
from eval.figures import Progress, Report, make_context
from eval.held_out import HeldOut, targets_of
from eval.offline import check_held_out, sample_users
from recsys_core.catalog.splits import leave_last_out
from recsys_core.errors import ConfigError
from recsys_core.interests.chips import Candidate, ChipConfig, likeliest_wishes
from recsys_core.interests.shift import ShiftConfig, replay, shift
from recsys_core.interests.space import InterestSpace
from recsys_core.metrics import bootstrap_mean, bootstrap_paired
from tools.wishes import HALF_LIFE, RECENT, space_of

STEPS = 30
"""So many of a user's newest steps are replayed for the trigger."""

Chips = list[tuple[int, ...]]


async def _by_model(
    held: Any,
    view: View,
    make: Callable[[], ChatModel],
    seconds: float,
    names: Sequence[str],
    progress: Progress | None,
) -> list[list[Suggestion]]:
    llm = make()
    await llm.start()
    try:
        status = await llm.wait_ready(seconds)
        if status.state != "ready":
            raise ConfigError(f"the language model is not ready ({status.state}): {status.reason}")
        return await _suggest(held, view, llm, names, progress)
    finally:
        await llm.aclose()


def _share_by_model(people: Sequence[Sequence[Suggestion]]) -> float:
    by = [float(chip.by == "llm") for chips in people for chip in chips]
    return float(np.mean(by)) if by else 0.0


class NoThumbs:
    """Nobody has given a thumb."""

    def of(self, user_id: str) -> dict[str, int]:
        """Empty."""
        return {}


def evaluate_next_wish(
    recommender: Any,
    *,
    llm: Callable[[], ChatModel] | None = None,
    llm_users: int = 20,
    llm_start_s: float = 120.0,
    users: int | None = None,
    stage: str = "test",
    seed: int = 0,
    resamples: int = 2_000,
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Match rate of suggestions and of simpler ones for the same users, and how often the trigger fires.

    Args:
        recommender: an open release.
        llm: makes a language model, which is asked for some of the users; None leaves it out.
        llm_users: so many of them.
        llm_start_s: seconds it may take to start.
        users: a random sample of so many users; all when None.
        stage: ``test``, or ``validation`` while choosing settings.
        seed: of the sample and the bootstrap.
        resamples: bootstrap resamples.
        command: command line for the context.
        progress: told how far the work is.

    Raises:
        ConfigError: nobody to evaluate, a catalogue without tags, or a language model that doesn't start.
        ReleaseError: the release's models were not kept from the held-out items.
    """
    split = leave_last_out(recommender.log)
    check_held_out(recommender.release, split, len(recommender.catalogue))
    chosen = sample_users(split.users, users, seed)
    space = space_of(recommender.catalogue)
    if not len(chosen) or not len(space):
        raise ConfigError("suggestions need users with three interactions and a catalogue with tags")
    held = HeldOut(recommender, split, 1 if stage == "test" else 2)
    view = View.of(held)
    targets = targets_of(split, chosen, stage)
    history = split.test_history if stage == "test" else split.validation_history
    fields = tuple(asked_for(view.understanding.roles))
    names = [recommender.log.users[int(user)] for user in chosen]

    served = asyncio.run(_suggest(held, view, NoChatModel(), names, progress))
    rows: dict[str, list[Chips]] = {"sidra": [_tags(space, chips) for chips in served]}
    simple = _Simple(space, recommender, fields)
    for name, pick in (("history", simple.history), ("popularity", simple.popular), ("frequent", simple.frequent)):
        rows[name] = [pick(history(int(user))) for user in chosen]
    rows["frequent_any"] = [simple.frequent(history(int(user)), any_share=True) for user in chosen]
    hits = {name: _hits(space, chips, targets) for name, chips in rows.items()}
    figures: dict[str, float] = {"users": len(chosen)}
    for name, hit in hits.items():
        cover = _cover(space, rows[name])
        interval = bootstrap_mean(hit, seed=seed, resamples=resamples)
        figures |= {
            f"chip_match.{name}": interval.value,
            f"chip_match.{name}.lo": interval.low,
            f"chip_match.{name}.hi": interval.high,
            f"chip_share.{name}": float(cover.mean()),
            f"chip_lift.{name}": float(hit.mean() / max(cover.mean(), 1e-9)),
        }
        if name != "sidra":
            paired = bootstrap_paired(hits["sidra"], hit, seed=seed, resamples=resamples)
            figures |= {
                f"chip_match.sidra-{name}": paired.value,
                f"chip_match.sidra-{name}.lo": paired.low,
                f"chip_match.sidra-{name}.hi": paired.high,
            }
    figures |= trigger_figures(space, [history(int(user)) for user in chosen])
    detail: dict[str, Any] = {"examples": [[chip.text for chip in chips] for chips in served[:20]]}
    if llm is not None:
        few = sorted(np.random.default_rng(seed).choice(len(names), min(llm_users, len(names)), replace=False).tolist())
        told = asyncio.run(_by_model(held, view, llm, llm_start_s, [names[n] for n in few], progress))
        hit = _hits(space, [_tags(space, chips) for chips in told], targets[few])
        interval = bootstrap_mean(hit, seed=seed, resamples=resamples)
        figures |= {
            "llm_users": len(few),
            "chip_match.llm": interval.value,
            "chip_match.llm.lo": interval.low,
            "chip_match.llm.hi": interval.high,
            "chip_match.llm_same_users": float(hits["sidra"][few].mean()),
            "llm_chips": _share_by_model(told),
        }
        detail["llm_examples"] = [[f"{chip.text} ({chip.by})" for chip in chips] for chips in told]
    return Report(
        figures=figures,
        context=make_context(seed=seed, release=recommender.release.id, command=command),
        detail=detail,
    )


def trigger_figures(
    space: InterestSpace, histories: Sequence[NDArray[np.int64]], config: ShiftConfig | None = None
) -> dict[str, float]:
    """How often interest counts as moved, and how far it moves at a step, over each user's newest steps."""
    flags: list[bool] = []
    steps: list[float] = []
    for items in histories:
        states = [
            space.interests(items[max(0, end - RECENT) : end], HALF_LIFE)
            for end in range(max(1, len(items) - STEPS), len(items) + 1)
        ]
        flags += replay(states, config)
        steps += [shift(before, after, config) for before, after in pairwise(states)]
    return {
        "trigger_rate": float(np.mean(flags) if flags else 0.0),
        "shift_mean": float(np.mean(steps) if steps else 0.0),
    }


async def _suggest(
    held: Any, view: View, llm: ChatModel, names: Sequence[str], progress: Progress | None
) -> list[list[Suggestion]]:
    wishes = NextWishes(llm, NoThumbs())  # type: ignore[arg-type]
    found = []
    for number, name in enumerate(names, 1):
        told = await wishes.suggest(name, held, view.understanding, view.titles)
        if told.pending:
            await wishes.settle(name)
            told = await wishes.suggest(name, held, view.understanding, view.titles)
        found.append(told.chips)
        if progress is not None and number % 25 == 0:
            progress(f"suggestions, {llm.name}", number, len(names))
    await wishes.close()
    return found


class _Simple:
    """Suggestions that need no generator."""

    def __init__(self, space: InterestSpace, recommender: Any, fields: tuple[str, ...]) -> None:
        self.space = space
        self.offered = recommender.catalogue.offered
        self.config = ChipConfig(fields=fields)
        self.named = np.array([not fields or tag.field in fields for tag in space.tags])
        self.counts = np.load(recommender.release.popularity).astype(np.float64)

    def history(self, items: NDArray[np.int64]) -> Chips:
        """What covers most of the history, newer items weighing more."""
        weights = 0.5 ** (np.arange(len(items))[::-1] / HALF_LIFE)
        return self._cover(items, weights / weights.sum(), items)

    def popular(self, items: NDArray[np.int64]) -> Chips:
        """What covers most of what is popular."""
        counts = np.where(self.offered, self.counts, 0.0)
        counts[items] = 0.0
        top = np.argsort(-counts, kind="stable")[:100]
        return self._cover(top, counts[top] / max(1.0, counts[top].sum()), items)

    def frequent(self, items: NDArray[np.int64], *, any_share: bool = False) -> Chips:
        """The three tags that most items of the history have."""
        cap = self.config.max_tag_share if any_share else self.config.max_share
        counts = np.asarray(self.space.matrix[items].sum(axis=0)).ravel() * (self.named & (self.space.shares <= cap))
        return [(int(n),) for n in np.argsort(-counts, kind="stable")[: self.config.count] if counts[n] > 0]

    def _cover(self, expected: NDArray[np.int64], chances: NDArray[np.float64], known: NDArray[np.int64]) -> Chips:
        offered = self.offered.copy()
        offered[known] = False
        found: list[Candidate] = likeliest_wishes(self.space, expected, chances, offered, self.config)
        return [candidate.tags for candidate in found]


def _tags(space: InterestSpace, chips: Sequence[Suggestion]) -> Chips:
    found = []
    for chip in chips:
        tags = [space.find(tag.field, tag.value) for tag in tags_of(chip.wishes) or []]
        found.append(tuple(tag for tag in tags if tag is not None))
    return found


def _hits(space: InterestSpace, people: Sequence[Chips], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.array(
        [
            any(int(target) in space.items_of(chip) for chip in chips)
            for chips, target in zip(people, targets, strict=True)
        ],
        dtype=np.float64,
    )


def _cover(space: InterestSpace, people: Sequence[Chips]) -> NDArray[np.float64]:
    """float64[n]: share of the catalogue that fits any suggestion of each person."""
    covered = [np.unique(np.concatenate([space.items_of(c) for c in chips])) if chips else () for chips in people]
    return np.array([len(items) / max(1, space.n_items) for items in covered])
