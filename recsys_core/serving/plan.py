"""How a release is served: the one typed file that tuning proposes and serving reads.

Everything is optional; what is left out stays as the release and the settings have it. The file lies beside the
release's own parts as ``plan.json`` and isn't one of them: the build wrote those, whoever promotes a configuration
writes this, and without it the release is served as it was built.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recsys_core.errors import ReleaseError
from recsys_core.generator.protocol import GenerateRequest, Task
from recsys_core.generator.widths import BeamConfig
from recsys_core.ranking.mix import ServingConfig, TaskMix
from recsys_core.releases.release import Release
from recsys_core.serving.batching import BatchConfig
from recsys_core.serving.graph import Graph

PLAN_FILE = "plan.json"
"""Name of the file in a release's folder."""

DEFAULT_BEAM = int(GenerateRequest.model_fields["beam"].default)
"""Width that a request has that asks for none; only such requests get the plan's."""

MEASURED_TASKS = (Task.for_you, Task.query)
"""Tasks whose mixes a plan changes: those that tuning measures."""


class ServingPlan(BaseModel):
    """How a release is served; None leaves a thing as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    generator: Literal["compact", "lm", "vllm"] = "compact"
    """Family that the plan was measured with; another one is served as if there were no plan."""
    history: int | None = Field(default=None, ge=1, le=1000)
    """Newest items of a history that are read; what comes back is kept from all of it."""
    beam: int | None = Field(default=None, ge=1, le=1000)
    """Width of the search where a request has the default width."""
    growth: float | None = Field(default=None, ge=1, le=8)
    """How much narrower the beam is at each level before the last (:class:`BeamConfig`)."""
    candidates: int | None = Field(default=None, ge=1)
    """Candidates taken from the search."""
    power_shift: float = Field(default=0.0, ge=-4, le=4)
    """Added to the power of the generator's fusion: how sharply items inside a prefix are told apart."""
    partner_shift: float = Field(default=0.0, ge=-1, le=1)
    """Added to the weight of item-CF, between 0 and what vector scores leave."""
    item_head_scale: float = Field(default=1.0, ge=0, le=1)
    """Multiplies the item head's share in the generator; at 0 it isn't computed."""
    cf_neighbours: int | None = Field(default=None, ge=1)
    """Strongest neighbours of each item that item-CF reads."""
    depth: int | None = Field(default=None, ge=1)
    """Best items that are reranked for variety."""
    diversity: float = Field(default=0.0, ge=0, le=1)
    """Weight of variety in that reranking; 0 leaves the order."""
    batch: int | None = Field(default=None, ge=1, le=64)
    """Requests answered together at most."""
    engine: Literal["exact", "chroma"] | None = None
    """Index behind the item search; outranks ``SIDRA_VECTOR_STORE``."""
    graph: Graph | None = None
    """Chroma's graph; None is the release's own."""
    over_fetch: float = Field(default=1.0, ge=1, le=20)
    """Chroma is asked for so many times what is wanted; more are found where a rule leaves little."""

    @model_validator(mode="after")
    def _fits_together(self) -> ServingPlan:
        if self.depth is not None and self.candidates is not None and self.depth > self.candidates:
            raise ValueError(f"depth {self.depth} is more than candidates {self.candidates}")
        return self

    def mixes(self, built: ServingConfig) -> ServingConfig:
        """What validation chose for the release, with the plan's changes."""
        changed = {task: self._mix(built.mix(task, "")) for task in MEASURED_TASKS}
        pool = built.pool if self.candidates is None else self.candidates
        return built.model_copy(update={"mixes": {**built.mixes, **changed}, "pool": pool})

    def widths(self, beam: BeamConfig | None) -> BeamConfig:
        """Widths by level and by load."""
        given = beam or BeamConfig()
        return given if self.growth is None else given.model_copy(update={"growth": self.growth})

    def batching(self, given: BatchConfig | None) -> BatchConfig | None:
        """How calls are joined, where they are."""
        if given is None or self.batch is None:
            return given
        return given.model_copy(update={"size": self.batch})

    def width(self, asked: int) -> int:
        """Width of a request's beam."""
        return self.beam if self.beam is not None and asked == DEFAULT_BEAM else asked

    def _mix(self, mix: TaskMix) -> TaskMix:
        power = min(4.0, max(0.0, mix.fusion.power + self.power_shift))
        return mix.model_copy(
            update={
                "item_cf": min(1.0 - mix.vectors, max(0.0, mix.item_cf + self.partner_shift)),
                "item_head": mix.item_head * self.item_head_scale,
                "fusion": mix.fusion.model_copy(update={"power": power}),
            }
        )


AS_BUILT = ServingPlan()
"""Changes nothing."""


def plan_path(release: Release) -> Path:
    """Where a release's plan lies, if it has one."""
    return release.path / PLAN_FILE


def read_plan(release: Release, generator: str) -> ServingPlan:
    """The plan in force for a family; :data:`AS_BUILT` where there is none.

    Raises:
        ReleaseError: the file can't be read.
    """
    path = plan_path(release)
    if not path.exists():
        return AS_BUILT
    try:
        plan = ServingPlan.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise ReleaseError(
            f"{path} can't be read ({error}); delete it to serve the release as it was built, or tune again"
        ) from error
    return plan if plan.generator == generator else AS_BUILT


def collection_folder(release: Release, plan: ServingPlan) -> Path:
    """Where Chroma's collection of a plan lies: the release's own, or one built for the plan beside it."""
    if plan.graph is None:
        return release.collection
    return release.path / f"collection-{plan.graph.shape()}"
