"""Are the items of an answer real, allowed, unique and as many as there are? Checked by code of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from eval.conditions import satisfies
from eval.figures import Progress
from eval.random_requests import random_instruction, random_request
from eval.served import Recommends
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.items import Item
from recsys_core.generator.protocol import GenerateRequest, GenerateResult

KEPT_EXAMPLES = 20
"""How many faults are told in words; all are counted."""


class Validity(BaseModel):
    """What a run over random requests found."""

    model_config = ConfigDict(extra="forbid")

    requests: int = 0
    """Requests answered."""
    items: int = 0
    """Items returned in all."""
    empty: int = 0
    """Requests whose allowed set was empty, answered with an empty list."""
    exhausted: int = 0
    """Requests with fewer than k items allowed."""
    invalid_items: int = 0
    """Items that don't exist, break their filter, occur twice or were excluded."""
    short_lists: int = 0
    """Lists shorter than they had to be, or whose ``allowed`` or ``exhausted`` is wrong."""
    unsorted_lists: int = 0
    """Lists whose scores are not in falling order or not finite."""
    seconds: float = 0.0
    """Time inside the recommender."""
    examples: list[str] = Field(default_factory=list)
    """The first faults in words."""

    def note(self, sentence: str) -> None:
        """Keep a fault as an example while there is room."""
        if len(self.examples) < KEPT_EXAMPLES:
            self.examples.append(sentence)


class ValidityCheck:
    """Checks answers against the catalogue, item by item in plain Python.

    Args:
        catalogue: what the recommender was opened with.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.items: dict[str, Item] = {i.id: i for i in map(catalogue.item, range(len(catalogue)))}
        self.found = Validity()

    def __call__(self, request: GenerateRequest, result: GenerateResult) -> None:
        """Check one answer and add to :attr:`found`."""
        found = self.found
        found.requests += 1
        found.items += len(result.items)
        banned = {*request.exclude, *request.avoid, *(request.history if request.exclude_history else [])}
        seen: set[str] = set()
        for entry in result.items:
            fault = self._fault(entry.item_id, request, banned, seen)
            if fault:
                found.invalid_items += 1
                found.note(f"{fault}: item {entry.item_id!r} for {request.model_dump_json(exclude={'history'})}")
            seen.add(entry.item_id)
        allowed = {i.id for i in self.items.values() if i.id not in banned and satisfies(i, request.filter)}
        # An anchor is what the result should resemble; whether it may come back itself is the recommender's to say.
        least = len(allowed - set(request.anchors))
        short = len(result.items) < min(request.k, least) or len(result.items) > request.k
        if short or not least <= result.allowed <= len(allowed) or result.exhausted != (result.allowed < request.k):
            found.short_lists += 1
            found.note(
                f"{len(result.items)} items, allowed {result.allowed}, exhausted {result.exhausted}, but "
                f"{len(allowed)} items are allowed and k is {request.k}: {request.model_dump_json(exclude={'history'})}"
            )
        scores = np.array([entry.score for entry in result.items])
        if not np.isfinite(scores).all() or (np.diff(scores) > 1e-9).any():
            found.unsorted_lists += 1
            found.note(f"scores {scores.tolist()} for {request.model_dump_json(exclude={'history'})}")
        found.empty += not allowed and not result.items
        found.exhausted += result.exhausted

    def _fault(self, item_id: str, request: GenerateRequest, banned: set[str], seen: set[str]) -> str:
        if item_id not in self.items:
            return "does not exist"
        if item_id in seen:
            return "occurs twice"
        if item_id in banned:
            return "was excluded"
        return "" if satisfies(self.items[item_id], request.filter) else "breaks the filter"


def check_validity(
    recommender: Recommends,
    log: InteractionLog,
    *,
    requests: int = 10_000,
    seed: int = 0,
    models: Sequence[str] = ("sidra",),
    batch: int = 64,
    instructions: int = 64,
    progress: Progress | None = None,
) -> Validity:
    """Send random requests and check every answer.

    Args:
        recommender: what is checked.
        log: where histories come from.
        requests: how many.
        seed: seed of the requests.
        models: take turns, batch by batch.
        batch: requests a call.
        instructions: how many distinct texts are drawn from half of the time, so that the check doesn't spend its
            time encoding text.
        progress: told after every batch.
    """
    rng = np.random.default_rng(seed)
    check = ValidityCheck(recommender.catalogue)
    known = [random_instruction(recommender.catalogue, rng) for _ in range(instructions)]
    for number, start in enumerate(range(0, requests, batch)):
        size = min(batch, requests - start)
        part = [random_request(recommender.catalogue, log, rng, instructions=known) for _ in range(size)]
        began = time.perf_counter()
        results = recommender.recommend(part, model=models[number % len(models)])
        check.found.seconds += time.perf_counter() - began
        if len(results) != len(part):
            raise AssertionError(f"{len(part)} requests were answered with {len(results)} results")
        for request, result in zip(part, results, strict=True):
            check(request, result)
        if progress is not None:
            progress("random requests", start + size, requests)
    return check.found
