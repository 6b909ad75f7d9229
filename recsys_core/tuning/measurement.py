"""What one trial measured, and what can be measured at all."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.tuning.space import Config, Space

SplitName = Literal["tune", "validate", "test"]
"""Queries to search on, to choose among finalists on, and to report on, once."""

Failure = Literal["", "crash", "hang", "memory", "error"]
"""How a trial failed: its process died, took too long, took too much memory, or raised an error."""


class PairedTime(BaseModel):
    """Processor time against the reference, taken in turns (A B A B) so that what else runs hits both."""

    model_config = ConfigDict(extra="forbid")

    ratio: float
    """Processor time of the reference divided by that of the configuration: more than 1 is faster."""
    low: float
    """Lower end of its 95 % interval over blocks."""
    high: float
    """Upper end."""
    blocks: int
    """Pairs of blocks."""
    wall_ms: float
    """Wall-clock milliseconds a request of the configuration; for display, since other programs are in it."""


class Measurement(BaseModel):
    """One configuration on one set of queries."""

    model_config = ConfigDict(extra="forbid")

    failure: Failure = ""
    """Empty for a trial that went through."""
    why: str = ""
    """What happened, one sentence."""
    quality: dict[str, list[float]] = Field(default_factory=dict)
    """Service -> quality of each query, 0 to 1; the same queries in the same order under every configuration."""
    work: dict[str, float] = Field(default_factory=dict)
    """Work of a request by kind, counted (positions read, prefixes expanded, distances ...)."""
    stage_us: dict[str, float] = Field(default_factory=dict)
    """That work in microseconds, at the prices of this machine, by stage."""
    cost_us: float = 0.0
    """Their sum: what a request costs."""
    latency_ms: float = 0.0
    """What a full batch costs, in milliseconds at those prices: nobody in it is answered earlier."""
    errors: float = 0.0
    """Share of queries without a full answer."""
    answers: str = ""
    """Digest of everything that was answered: equal digests are equal answers."""
    memory_mib: float = 0.0
    """Resident memory of the measuring process afterwards."""
    seconds: float = 0.0
    """How long measuring took, wall-clock."""
    rebuilt: bool = False
    """Whether something had to be built for it."""
    paired: PairedTime | None = None
    """Processor time against the reference, where it was taken."""


class MeasuredSystem(Protocol):
    """Something that can be tuned. Lives in a process of its own, so that it may die (:mod:`.worker`)."""

    @property
    def space(self) -> Space:
        """What may be changed."""
        ...

    def fingerprint(self) -> str:
        """Changes when the measured thing, the queries or the prices change: what was measured counts no more."""
        ...

    def measure(self, config: Config, split: SplitName) -> Measurement:
        """Measure a valid configuration. The same call gives the same quality, work and cost."""
        ...

    def paired(self, config: Config, blocks: int) -> PairedTime | None:
        """Processor time against the reference; None where it means nothing."""
        ...
