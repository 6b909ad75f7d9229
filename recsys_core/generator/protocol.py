"""What a generator is asked and what it answers.

Every generator family (``compact``, ``lm`` in process, ``lm`` on a server) takes a batch of :class:`GenerateRequest`
and returns one :class:`GenerateResult` a request, in order. An empty allowed set is an empty result, not an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.catalog.filters import ItemFilter


class Task(StrEnum):
    """The seven tasks (after SIGMA, arXiv 2602.22913)."""

    for_you = "for_you"
    query = "query"
    category = "category"
    long_tail = "long_tail"
    discover = "discover"
    season = "season"
    holiday = "holiday"


class GenerateRequest(BaseModel):
    """One request for recommendations."""

    model_config = ConfigDict(extra="forbid")

    task: Task = Task.for_you
    """Which of the seven tasks."""
    instruction: str = Field(default="", max_length=2000)
    """What is wanted, in plain words; may be empty. With ``for_you`` it counts as it does with ``query``."""
    about: str = Field(default="", max_length=2000)
    """What the person says of themselves, in plain words. Without an instruction it conditions the list, all the more
    the less history there is; beside an instruction it has no effect."""
    profile: str = Field(default="", max_length=2000)
    """What is written of the person from their history. It counts as far as validation chose for a history so long,
    never beside an instruction, and ``about`` outranks it."""
    history: list[str] = Field(default_factory=list, max_length=100_000)
    """Item ids the user interacted with, newest last; unknown ids are refused."""
    filter: ItemFilter | None = None
    """Rule that every returned item satisfies."""
    exclude: list[str] = Field(default_factory=list, max_length=100_000)
    """Item ids that must not come back."""
    exclude_history: bool = True
    """Whether items in ``history`` are excluded too."""
    anchors: list[str] = Field(default_factory=list, max_length=20)
    """Items that the result should resemble ("something like ...")."""
    avoid: list[str] = Field(default_factory=list, max_length=200)
    """Items that the result should not resemble (thumbs down); they are excluded as well."""
    k: int = Field(default=10, ge=1, le=500)
    """How many items."""
    beam: int = Field(default=20, ge=1, le=1000)
    """How many prefixes are kept at each level."""
    search: Literal["beam", "exact"] = "beam"
    """``beam`` keeps ``beam`` prefixes; ``exact`` expands prefixes until none left can change the list."""


class ScoredItem(BaseModel):
    """One generated item."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """Catalogue id."""
    sid: list[int]
    """Its semantic ID, one code a level."""
    log_probability: float
    """Exact natural-log probability of the SID under the generator (normalised over the whole catalogue)."""
    score: float
    """What the list is sorted by (equal to ``log_probability`` when nothing is mixed in)."""


class GenerateResult(BaseModel):
    """The answer to one request."""

    model_config = ConfigDict(extra="forbid")

    items: list[ScoredItem] = Field(default_factory=list)
    """Best first, unique, all allowed."""
    exhausted: bool = False
    """True when fewer than ``k`` items are allowed, so the list is all there is."""
    allowed: int = 0
    """How many items the filter and the exclusions left."""
    cold_start: bool = False
    """True when there was no history to condition on."""
    beam: int | None = None
    """Width of the beam that was used, less than asked for under load (then ``notes`` says so); None without one."""
    expanded: int | None = None
    """Prefixes that an exact search expanded, the root among them; None for a beam."""
    batch: int = 1
    """Requests that were answered together."""
    timings_ms: dict[str, float] = Field(default_factory=dict)
    """Milliseconds by stage; for a batch, the stage's time divided by its size."""
    release: str = ""
    """Release the answer came from."""
    changes: int = 0
    """Number of the last change of the catalogue (items withdrawn, re-tagged, added) that the answer knows."""
    generator: str = ""
    """Generator family that the probabilities are of: ``compact``, ``lm``, ``vllm``."""
    degraded: bool = False
    """True when another engine answered than the one asked for."""
    degraded_reason: str = ""
    """Which and why, one sentence; empty when not degraded."""
    notes: list[str] = Field(default_factory=list)
    """Plain sentences about anything unusual (a fallback, an unknown user)."""


class Generator(Protocol):
    """A model that turns requests into items."""

    def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResult]:
        """Answer a batch, one result a request, in order.

        Raises:
            UnknownItemError: a history, exclude, anchor or avoid id is not in the catalogue.
            FilterError: a filter names an unknown field or a comparison that its kind doesn't allow.
        """
        ...
