"""Everything that was measured of profiles, typed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from eval.profiles.choosing import WayResult
from eval.profiles.downstream import Gain
from eval.profiles.scoring import KindResult, Step
from recsys_core.metrics import Interval


class Group(BaseModel):
    """All kinds that some people have, by one judge, against the same negatives."""

    model_config = ConfigDict(extra="forbid")

    users: int
    """People."""
    kinds: dict[str, KindResult]
    """By kind."""
    steps: list[Step]
    """Expected order, pair by pair."""


class JudgeResult(BaseModel):
    """What one judge says."""

    model_config = ConfigDict(extra="forbid")

    everybody: Group | None = None
    """Kinds that need no language model, on everybody; None for a judge that is asked about a few only."""
    with_llm: Group | None = None
    """All kinds, on the people who have a language model's profiles; None without one."""
    answers: dict[str, float] = Field(default_factory=dict)
    """How a language model as judge answered: asked, failed, partial, repeated."""

    def steps(self) -> list[Step]:
        """Every pair once: on everybody where everybody has both kinds, else on those who have all."""
        found: dict[tuple[str, str, str], Step] = {}
        for group in (self.with_llm, self.everybody):
            for step in group.steps if group is not None else ():
                found[(step.better, step.worse, step.direction)] = step
        return list(found.values())


class ProfilesDetail(BaseModel):
    """What the figures of ``sidra eval profiles`` are made of."""

    model_config = ConfigDict(extra="forbid")

    dataset: str
    """Name of the data."""
    noun: str
    """What its items are called."""
    users: int
    """People measured."""
    users_llm: int
    """Of them with a language model's profiles."""
    model: str
    """The language model; empty without one."""
    judges: dict[str, JudgeResult]
    """By judge; the first one chose among candidates."""
    choosing: dict[str, dict[str, WayResult]] = Field(default_factory=dict)
    """Judge -> way of choosing (both, forward, backward) -> worth on held-out items."""
    recommending: dict[str, dict[str, Gain]] = Field(default_factory=dict)
    """Situation (few, cut, rest) -> kind -> NDCG@10 with and without; empty when not measured."""
    lamp: dict[str, dict[str, Interval]] = Field(default_factory=dict)
    """Task (genre, tag, rating) -> kind -> accuracy, or mean absolute error for ratings."""
    left_out: list[str] = Field(default_factory=list)
    """Sentences about what was not measured and why."""
    writing: dict[str, float] = Field(default_factory=dict)
    """Of the language model: replies asked for and kept, profiles that rules wrote in its place."""
    examples: list[dict[str, str]] = Field(default_factory=list)
    """Profiles of the first few people, by kind."""
