"""The served ranking: the generator's probabilities mixed with item-CF and vector scores, weights from validation.

Geometric mixing with a floor, ``w_g log(p_generator + f) + w_c log(p_item_cf + f) + w_v log(p_vectors + f)``: an item
that one of them never proposes is damped, not forbidden. The partners know no instructions, and the generator
follows them as far as histories taught it to; so the whole is multiplied with ``(p_fit + 0.01) ** guidance``, where
p_fit is the probability that an item is what the words mean.

The generator's own probability is a calibrated sum of two: prefix times item (:mod:`recsys_core.generator.fusion`) and
the auxiliary item head, which ranks the same candidates without semantic IDs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from recsys_core.generator.fusion import Fusion
from recsys_core.generator.protocol import Task
from recsys_core.ranking.leaning import ProfileMix

Floats = NDArray[np.float32]

FIT_FLOOR = 0.01
"""Added to the probability that an item is what the words mean: among items that are all but sure not to fit, the words
don't say which fits least badly, and where nothing fits, other things must decide."""


class TaskMix(BaseModel):
    """How one task mixes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    item_cf: float = Field(default=0.5, ge=0, le=1)
    """Weight of item-CF; the generator has what the partners leave."""
    vectors: float = Field(default=0.0, ge=0, le=1)
    """Weight of item vectors near those of the history."""
    guidance: float = Field(default=1.0, ge=0, le=100)
    """How strongly the meaning of the words conditions the list; 0 leaves that to the generator."""
    item_head: float = Field(default=0.0, ge=0, le=1)
    """Share of the auxiliary item head in the generator's probability."""
    fusion: Fusion = Field(default_factory=Fusion)
    """How the generator combines prefix and item scores."""

    @model_validator(mode="after")
    def _the_generator_has_a_weight(self) -> TaskMix:
        if self.item_cf + self.vectors > 1 + 1e-9:
            raise ValueError(f"item_cf {self.item_cf} and vectors {self.vectors} add up to more than 1")
        return self


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
    profile: ProfileMix = Field(default_factory=ProfileMix)
    """How profiles lean."""
    measured: dict[str, float] = Field(default_factory=dict)
    """Validation NDCG@10 by task and mix, for the record; never a test figure."""

    def mix(self, task: Task, instruction: str) -> TaskMix:
        """The mix of a request; ``for_you`` with words is mixed like ``query``, so that they count."""
        if task is Task.for_you and instruction.strip():
            task = Task.query
        return self.mixes.get(task, self.mixes.get(Task.for_you, TaskMix()))


def geometric(
    generator: Floats, item_cf: Floats, fits: Floats, mix: TaskMix, floor: float, vectors: Floats | None = None
) -> Floats:
    """Mix one row or many.

    Args:
        generator: log-probabilities, -inf where the generator proposed nothing.
        item_cf: probabilities of the same shape.
        fits: log-probabilities that items are what the words mean, of the same shape.
        mix: weights and guidance.
        floor: added to all probabilities.
        vectors: probabilities of the same shape; only read where ``mix`` gives them weight.
    """
    return added_up(logarithms(generator, item_cf, fits, floor, vectors if mix.vectors else None), mix)


class Logarithms(NamedTuple):
    """What every mix of the same parts adds up, with floors: float32 of one shape each.

    Attributes:
        generator: of the generator.
        item_cf: of item-CF.
        fits: of what words mean.
        vectors: of vector scores; None where they have no weight.
    """

    generator: Floats
    item_cf: Floats
    fits: Floats
    vectors: Floats | None


def logarithms(
    generator: Floats, item_cf: Floats, fits: Floats, floor: float, vectors: Floats | None = None
) -> Logarithms:
    """The costly part of :func:`geometric`, worked out once for many mixes; arguments as there."""
    return Logarithms(
        np.log(np.exp(np.minimum(generator, 50.0)) + floor),
        np.log(item_cf + floor),
        np.log(np.exp(fits) + FIT_FLOOR),
        None if vectors is None else np.log(vectors + floor),
    )


def added_up(logs: Logarithms, mix: TaskMix) -> Floats:
    """The mixed scores, of the parts' shape."""
    mixed = mix.item_cf * logs.item_cf
    if mix.guidance:
        mixed = mixed + mix.guidance * logs.fits
    if logs.vectors is None or mix.vectors == 0:
        return np.asarray(mixed + (1 - mix.item_cf) * logs.generator, dtype=np.float32)
    rest = 1 - mix.item_cf - mix.vectors
    return np.asarray(mixed + rest * logs.generator + mix.vectors * logs.vectors, dtype=np.float32)


def with_item_head(candidates: Floats, item_head: Floats, share: float) -> Floats:
    """The generator's log-probability of its candidates, ``log((1 - share) p_search + share p_item_head)``.

    Args:
        candidates: fused log-probabilities of the search, -inf where it proposed nothing; those stay out.
        item_head: log-probabilities of the auxiliary head, of the same shape.
        share: of the item head.
    """
    if share == 0:
        return candidates
    if share == 1:
        return np.where(np.isfinite(candidates), item_head, -np.inf)
    both = np.logaddexp(candidates + np.log1p(-share), item_head + np.log(share))
    return np.asarray(np.where(np.isfinite(candidates), both, -np.inf), dtype=np.float32)


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
