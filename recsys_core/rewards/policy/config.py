"""Settings of the small profile writer and of its training."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from recsys_core.rewards.bump import BumpConfig


class PolicyConfig(BaseModel):
    """Shape of the policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: PositiveInt = 64
    """Size of every hidden vector."""
    layers: PositiveInt = 2
    """Transformer blocks."""
    heads: PositiveInt = 4
    """Attention heads; must divide ``width``."""
    values: PositiveInt = 256
    """So many of the values met most often have a vector of their own; the rest are told by their figures."""
    slots: PositiveInt = 40
    """At most so many facts of a user are read."""
    longest: int = Field(default=40, ge=3)
    """At most so many steps (phrases, facts, the end)."""
    titles: int = Field(default=0, ge=0, le=10)
    """So many titles of liked items may be named; none by default, since a title is the easiest thing to copy."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> PolicyConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of {self.heads} heads")
        return self


class WarmConfig(BaseModel):
    """The supervised start on profiles written by rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=8, ge=0)
    """Passes over the training histories."""
    learning_rate: PositiveFloat = 3e-3
    """Of AdamW, falling to nothing on a cosine."""
    batch: PositiveInt = 64
    """Profiles a step."""
    smoothing: float = Field(default=0.3, ge=0, lt=1)
    """Share of the target given to the other allowed steps: a policy that is sure of one profile explores nothing."""


class GrpoConfig(BaseModel):
    """Reinforcement after it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: PositiveInt = 150
    """Batches of users."""
    users: int = Field(default=32, ge=2)
    """Users a batch; the others of a batch give the negatives."""
    group: int = Field(default=8, ge=2)
    """Profiles sampled of each user (G)."""
    updates: PositiveInt = 2
    """Optimiser steps a batch; from the second on the ratio differs from 1 and is clipped."""
    learning_rate: PositiveFloat = 1.5e-3
    """Of AdamW; up over the first 20 batches, then constant."""
    clip: float = Field(default=0.2, gt=0, lt=1)
    """Bound on the ratio to the policy that sampled (epsilon)."""
    kl_weight: float = Field(default=0.01, ge=0)
    """Weight of the divergence from the warm start (beta)."""
    by_spread: bool = True
    """Divide advantages by the spread of their group."""
    by_length: bool = False
    """Divide each profile's sum by its own number of steps."""
    largest_gradient: PositiveFloat = 1.0
    """Gradients longer than this are shortened."""
    title_penalty: float = Field(default=0.5, ge=0)
    """Taken off the reward for every visible title beyond the allowed ones that a profile copies word for word."""
    leak_rate: float = Field(default=0.0, ge=0, le=1)
    """Training stops when more than this share of a batch's profiles name the item they are to predict."""
    evaluate_every: PositiveInt = 50
    """Held-out users are measured before the first batch, after every so many, and after the last."""
    save_every: PositiveInt = 10
    """A killed run loses at most so many batches."""


class DataConfig(BaseModel):
    """Whose histories, and how they are cut."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    held_out: PositiveInt = 300
    """So many users are kept for measuring; at most half of those there are."""
    cuts: PositiveInt = 4
    """Places at which a training user's visible history is cut into what is known and what comes next."""
    shortest: PositiveInt = 3
    """A cut leaves at least so many interactions before it."""
    targets: PositiveInt = 5
    """So many items after the cut are to be predicted (P). BUMP takes 1; several make the same measure less noisy."""
    held_out_draws: PositiveInt = 10
    """Draws of foreign items and profiles where held-out users are measured."""


class TrainProfileConfig(BaseModel):
    """Everything that decides what a run gives."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: PolicyConfig = Field(default_factory=PolicyConfig)
    """Its shape."""
    data: DataConfig = Field(default_factory=DataConfig)
    """Whose histories."""
    warm: WarmConfig = Field(default_factory=WarmConfig)
    """How it starts."""
    grpo: GrpoConfig = Field(default_factory=GrpoConfig)
    """How it goes on."""
    bump: BumpConfig = Field(default_factory=lambda: BumpConfig(draws=8, shuffles=1))
    """The reward: foreign items and profiles (K), budget, weights. Its seed isn't used: each batch has its own."""
    judge: Literal["pieces", "whole"] = "pieces"
    """What training is rewarded by (:mod:`recsys_core.rewards.policy.pieces`); measured is always by the whole text."""
    split: str = Field(default="test", pattern="^(test|validation)$")
    """``test``: held-out users are measured on their last item; ``validation``: on the last but one, while choosing
    settings, with another set of users."""
    seed: int = 0
    """Seed of users, weights, batches, samples and negatives."""
    threads: PositiveInt = 1
    """Processor threads; part of the recipe, since sums in another order round differently."""

    @model_validator(mode="after")
    def _enough_users_in_a_batch(self) -> TrainProfileConfig:
        if self.grpo.users <= self.bump.negatives:
            raise ValueError(
                f"{self.grpo.users} users a batch leave no {self.bump.negatives} foreign ones; raise grpo.users"
            )
        return self
