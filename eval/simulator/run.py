"""Plays simulated people against a conversation service in this process, and counts who finds what they had in mind.

The same people without a conversation stand beside them: the ten best items for their history, and five pages of ten.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.config import ConversationConfig
from agents.conversation import ConversationService
from agents.events import EndEvent, ErrorEvent
from agents.llm.protocol import ChatModel
from agents.understanding.roles import Roles
from eval.figures import Progress
from eval.held_out import HeldOut
from eval.simulator.counting import CountingModel
from eval.simulator.held_out import Hidden, hold_out, targets_known
from eval.simulator.person import Person
from eval.simulator.trials import TURNS, Said, Simulation, Trial
from recsys_core.catalog.items import Item
from recsys_core.errors import ConfigError, DataError
from recsys_core.generator.protocol import GenerateRequest

CARDS = 10
"""Cards of an answer."""
BEAM = 20
"""Width of the search for the lists without a conversation; the conversation's own."""


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
