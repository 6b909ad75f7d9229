"""The served ranking: the generator's probabilities mixed with item-CF, weights learned on validation per task.

Geometric mixing with a floor, ``(1 - w) log(p_generator + f) + w log(p_item_cf + f)``: an item that one of the two
never proposes is damped, not forbidden. Item-CF knows no instructions; the generator's wish head lends it one:
``p_item_cf`` is multiplied with ``p_fit ** guidance``, the probability that an item is what the words mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.generator.protocol import Task

Floats = NDArray[np.float32]


class TaskMix(BaseModel):
    """How one task mixes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    item_cf: float = Field(default=0.5, ge=0, le=1)
    """Weight of item-CF; the generator has the rest."""
    guidance: float = Field(default=1.0, ge=0, le=5)
    """How strongly the meaning of the words conditions item-CF; 0 leaves item-CF without instruction."""


class ServingConfig(BaseModel):
    """What validation chose for serving; stored in a release as ``serving.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mixes: dict[Task, TaskMix] = Field(default_factory=dict)
    """Mix of each task; a task that validation could not measure uses the mix of ``for_you``."""
    floor: float = Field(default=1e-5, gt=0, lt=1)
    """Added to probabilities before the logarithm."""
    pool: int = Field(default=400, ge=1)
    """Candidates taken from the generator's search."""
    anchor_weight: float = Field(default=0.65, ge=0, le=1)
    """Weight of resemblance to anchors ("something like ...") against everything else."""
    avoid_weight: float = Field(default=4.0, ge=0)
    """How much resemblance to a disliked item costs, in nats at full resemblance."""
    measured: dict[str, float] = Field(default_factory=dict)
    """Validation NDCG@10 by task and mix, for the record; never a test figure."""

    def mix(self, task: Task, instruction: str) -> TaskMix:
        """The mix of a request; ``for_you`` with words is mixed like ``query``, so that they count."""
        if task is Task.for_you and instruction.strip():
            task = Task.query
        return self.mixes.get(task, self.mixes.get(Task.for_you, TaskMix()))


def geometric(generator: Floats, item_cf: Floats, fits: Floats, mix: TaskMix, floor: float) -> Floats:
    """Mix one row or many.

    Args:
        generator: log-probabilities, -inf where the generator proposed nothing.
        item_cf: probabilities of the same shape.
        fits: log-probabilities that items are what the words mean, of the same shape.
        mix: weight and guidance.
        floor: added to both probabilities.
    """
    own = np.log(np.exp(np.minimum(generator, 50.0)) + floor)
    partner = np.log(item_cf + floor) + mix.guidance * fits
    return np.asarray((1 - mix.item_cf) * own + mix.item_cf * partner, dtype=np.float32)


def toward_anchors(scores: Floats, likeness: Floats, weight: float, floor: float) -> Floats:
    """Pull a row of scores toward items that resemble the anchors.

    Args:
        scores: float32[n], -inf where an item is out.
        likeness: float32[n], a distribution over items.
        weight: of the likeness.
        floor: added to the likeness.
    """
    return np.asarray((1 - weight) * scores + weight * np.log(likeness + floor), dtype=np.float32)


def away_from(scores: Floats, resemblance: Floats, weight: float, threshold: float = 0.3) -> Floats:
    """Push a row of scores away from disliked items: ``resemblance`` is the largest cosine to one of them."""
    excess = np.clip((resemblance - threshold) / (1 - threshold), 0, 1)
    return np.asarray(scores - weight * excess, dtype=np.float32)
