"""What the masking benchmark can measure."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

CODES = ("uniform", "zipf")
METHODS = (
    "sidra_plain",
    "sidra_live",
    "sidra_cached",
    "sidra_compacted",
    "sidra_processor",
    "sidra_torch",
    "sidra_torch_rule",
    "sidra_torch_compiled",
    "csr_eager",
    "csr_compiled",
    "sorted_exact",
    "sorted_top50",
    "hash_bitmap",
    "prefix_fn",
    "xgrammar",
)
"""All that can be measured; ``sidra_live``, ``_cached``, ``_compacted`` and ``_torch_rule`` step under a rule, the
others without."""

ON_A_GPU = ("sidra_torch", "sidra_torch_rule", "sidra_torch_compiled", "csr_eager", "csr_compiled", "prefix_fn")
"""What can be measured there; the others step on the processor."""


class BenchConfig(BaseModel):
    """What is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: tuple[int, ...] = (100_000, 1_000_000)
    """Sizes of the catalogues."""
    levels: int = Field(default=8, ge=1, le=32)
    """Length of a semantic ID."""
    vocab: int = Field(default=2048, ge=1)
    """Tokens a level."""
    beams: int = Field(default=140, ge=1)
    """States of a step, and how many are chosen after it."""
    codes: tuple[str, ...] = CODES
    """How tokens are drawn: evenly, or the r-th one with probability proportional to 1/r."""
    methods: tuple[str, ...] = METHODS
    """What is compared."""
    rounds: int = Field(default=40, ge=1)
    """Timings of each method and level."""
    share: float = Field(default=0.5, gt=0, le=1)
    """Share of items that the live and the cached rule allow."""
    compacted_share: float = Field(default=0.1, gt=0, le=1)
    """Share of those that the compacted rule allows."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where scores, states and tables lie."""
    clock: Literal["wall", "cpu"] = "wall"
    """What is counted: time that passes, or time that this thread has the processor, which other work on the machine
    doesn't add to. The latter needs one thread and no GPU."""
    threads: int = Field(default=1, ge=1)
    """Threads of torch."""
    seed: int = 0
    """Seed of catalogues, states, scores and rules."""

    @model_validator(mode="after")
    def _one_thread(self) -> BenchConfig:
        if self.clock == "cpu" and (self.threads > 1 or self.device != "cpu"):
            raise ValueError("processor time is that of one thread: leave --threads and --device out, or use wall")
        return self
