"""Plays simulated people against a conversation service in this process, and counts who finds what they had in mind.

The same people without a conversation stand beside them: the ten best items for their history, and five pages of ten.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from agents.config import ConversationConfig
from agents.conversation import ConversationService
from agents.events import EndEvent, ErrorEvent
from agents.llm.protocol import ChatModel
from agents.understanding.roles import Roles
from eval.figures import Progress
from eval.simulator.counting import CountingModel
from eval.simulator.held_out import HeldOut, Hidden, hold_out, targets_known
from eval.simulator.person import Person
from recsys_core.catalog.items import Item
from recsys_core.errors import ConfigError, DataError
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.metrics.bootstrap import Interval, bootstrap_mean, bootstrap_paired

TURNS = 5
"""Messages a person has."""
CARDS = 10
"""Cards of an answer."""
BEAM = 20
"""Width of the search for the lists without a conversation; the conversation's own."""


class Said(BaseModel):
    """One turn of a simulated conversation."""

    model_config = ConfigDict(extra="forbid")

    say: str
    """What the person said."""
    cards: list[str]
    """Titles shown."""
    rank: int | None
    """Place of the target among the cards, from 1; None when it isn't there."""
    asked: str = ""
    """What was asked back."""
    seconds: float
    """Wall-clock time of the answer, reasons left out."""


class Trial(BaseModel):
    """One conversation of one person."""

    model_config = ConfigDict(extra="forbid")

    user: int
    """Number of the person in the sample."""
    trial: int
    """Which of their conversations."""
    target: str
    """Title they had in mind."""
    found: int | None
    """Turn in which it was shown, from 1; None when it wasn't."""
    turns: list[Said]
    """What was said."""
    tokens: int
    """Tokens of the language model."""
    failed_turns: int = 0
    """Turns that ended in an error instead of an answer."""


class Simulation(BaseModel):
    """All trials, and the same people without a conversation."""

    model_config = ConfigDict(extra="forbid")

    trials: list[Trial]
    """Person by person."""
    baseline: list[bool]
    """Whether the target is among the ten best for the history, one a person."""
    pages: list[bool]
    """The same for fifty, five pages of ten."""

    @property
    def people(self) -> int:
        """How many people."""
        return len(self.baseline)


async def simulate(
    recommender: Any,
    llm: ChatModel,
    *,
    users: int | None = 50,
    trials: int = 3,
    seed: int = 0,
    progress: Progress | None = None,
) -> Simulation:
    """Play all people.

    Args:
        recommender: an open :class:`recsys_core.serving.recommender.Recommender`.
        llm: the language model, started.
        users: how many people; all who fit when None.
        trials: conversations of each, with other words and another order of what is told.
        seed: of people, words and order.
        progress: told after each conversation.

    Raises:
        ConfigError: no trials; nobody fits.
        ReleaseError, DataError: the recommender knows the targets.
        LeakError: somebody would have said the title.
    """
    if trials < 1:
        raise ConfigError(f"--trials is at least 1, not {trials}")
    blind, people = hold_out(recommender, users, seed)
    if known := targets_known(blind, people):
        raise DataError(f"the target of user {known[0]!r} is in their own history; hold out the last interaction")
    counting, roles = CountingModel(llm), Roles.of(blind.catalogue)
    played: list[Trial] = []
    # reasons are not read by anybody here, and measuring them takes longer than all else
    config = ConversationConfig(evidence_ms=0, beam=BEAM)
    with tempfile.TemporaryDirectory(prefix="sidra-eval-") as folder:
        async with ConversationService(blind, counting, Path(folder), config) as service:
            for number, hidden in enumerate(people):
                for trial in range(trials):
                    person = Person(hidden.target, blind.catalogue, roles, _seed(seed, number, trial))
                    played.append(await _converse(service, counting, hidden, person, (number, trial)))
                    await service.forget(hidden.user_id)
                    if progress is not None:
                        progress("simulated people", len(played), len(people) * trials)
    return Simulation(
        trials=played, baseline=_silent(blind, people, CARDS), pages=_silent(blind, people, CARDS * TURNS)
    )


async def _converse(
    service: ConversationService, counting: CountingModel, hidden: Hidden, person: Person, number: tuple[int, int]
) -> Trial:
    tokens = counting.tokens
    turns: list[Said] = []
    thread: str | None = None
    found: int | None = None
    failed = 0
    message = person.open()
    while found is None and len(turns) < TURNS:
        began = time.perf_counter()
        end: EndEvent | None = None
        async for event in service.turn(message=message, user_id=hidden.user_id, thread_id=thread, k=CARDS):
            if isinstance(event, EndEvent):
                end, thread = event, event.thread_id
            elif isinstance(event, ErrorEvent):
                failed += 1
        cards = [service.recommender.catalogue.get(card.item_id) for card in (end.cards if end else [])]
        rank = next((place for place, card in enumerate(cards[:CARDS], 1) if card.id == hidden.target.id), None)
        question = _question(end, cards)
        turns.append(
            Said(
                say=message,
                cards=[card.title for card in cards],
                rank=rank,
                asked=question,
                seconds=round(time.perf_counter() - began, 4),
            )
        )
        if person.accepts(cards[:CARDS]):
            found = len(turns)
        elif len(turns) < TURNS:
            message = person.react(cards, question)
    return Trial(
        user=number[0],
        trial=number[1],
        target=hidden.target.title,
        found=found,
        turns=turns,
        tokens=counting.tokens - tokens,
        failed_turns=failed,
    )


def _question(end: EndEvent | None, cards: Sequence[Item]) -> str:
    """What was asked back: told as such, or an answer without cards that ends with a question mark."""
    if end is None:
        return ""
    if end.understood is not None and end.understood.question:
        return end.understood.question
    return end.text if not cards and end.text.rstrip().endswith("?") else ""


def _silent(blind: HeldOut, people: Sequence[Hidden], k: int) -> list[bool]:
    requests = [GenerateRequest(history=list(p.history), k=k, beam=max(BEAM, k)) for p in people]
    results = blind.recommend(requests)
    return [
        any(item.item_id == p.target.id for item in result.items) for p, result in zip(people, results, strict=True)
    ]


def _seed(seed: int, person: int, trial: int) -> int:
    return int(np.random.SeedSequence([seed, person, trial]).generate_state(1)[0])


def simulation_figures(found: Simulation, *, seed: int = 0) -> dict[str, float]:
    """Figures with ``.lo`` and ``.hi``: 95 % bootstrap intervals, people resampled."""
    per_user = _by_person(found)
    figures: dict[str, float] = {"simulated_users": found.people, "simulated_trials": len(found.trials)}
    for turn in range(1, TURNS + 1):
        _put(figures, f"success_at_{turn}", _share(per_user, partial(_found_by, turn)), seed)
    success = _share(per_user, partial(_found_by, TURNS))
    baseline = np.array(found.baseline, dtype=np.float64)
    _put(figures, f"baseline_success_at_{TURNS}", baseline, seed)
    _put(figures, f"baseline_pages_success_at_{TURNS}", np.array(found.pages, dtype=np.float64), seed)
    difference = bootstrap_paired(success, baseline, seed=seed)
    _interval(figures, f"success_at_{TURNS}-baseline", difference)
    if baseline.mean() > 0:
        figures["success_ratio"] = float(success.mean() / baseline.mean())
    _put(figures, "recall_at_10_final", _share(per_user, _in_last_cards), seed)
    trials = min(len(own) for own in per_user)
    if trials >= 3:
        hats = [comb(sum(t.found is not None for t in own), 3) / comb(len(own), 3) for own in per_user]
        _put(figures, "pass_hat_3", np.array(hats), seed)
    turns = [turn for trial in found.trials for turn in trial.turns]
    _put(figures, "simulated_turns_mean", np.array([np.mean([len(t.turns) for t in own]) for own in per_user]), seed)
    figures["questions_asked_back"] = sum(bool(turn.asked) for turn in turns)
    figures["simulated_failed_turns"] = sum(trial.failed_turns for trial in found.trials)
    figures["tokens_per_conversation"] = float(np.mean([trial.tokens for trial in found.trials]))
    figures["seconds_per_turn_p50"] = round(float(np.median([turn.seconds for turn in turns])), 4)
    return figures


def _found_by(turn: int, trial: Trial) -> bool:
    return trial.found is not None and trial.found <= turn


def _in_last_cards(trial: Trial) -> bool:
    return bool(trial.turns) and trial.turns[-1].rank is not None


def _by_person(found: Simulation) -> list[list[Trial]]:
    own: list[list[Trial]] = [[] for _ in range(found.people)]
    for trial in found.trials:
        own[trial.user].append(trial)
    return own


def _share(per_user: Sequence[Sequence[Trial]], holds: Callable[[Trial], bool]) -> NDArray[np.float64]:
    return np.array([np.mean([holds(trial) for trial in own]) for own in per_user])


def _put(figures: dict[str, float], name: str, values: NDArray[np.float64], seed: int) -> None:
    _interval(figures, name, bootstrap_mean(values, seed=seed))


def _interval(figures: dict[str, float], name: str, found: Interval) -> None:
    figures |= {name: found.value, f"{name}.lo": found.low, f"{name}.hi": found.high}
