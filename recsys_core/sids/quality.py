"""How good a set of semantic IDs is, and when it is too bad to build on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.errors import BuildError


class SidThresholds(BaseModel):
    """Where the build stops."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_utilisation: float = Field(default=0.9, ge=0, le=1)
    """Least share of codes in use, at every level."""
    min_entropy: float = Field(default=0.5, ge=0, le=1)
    """Least normalised entropy at the first level."""
    min_residual_entropy: float = Field(default=0.15, ge=0, le=1)
    """Least normalised entropy at the deeper levels, where residuals close to zero rightly share one code."""
    min_sequence_entropy: float = Field(default=0.5, ge=0, le=1)
    """Least normalised entropy of the whole code sequences."""
    max_collision_share: float = Field(default=1.0, ge=0, le=1)
    """Largest share of items whose codes another item has too (pure layout); 1 lets the last level resolve them all."""
    max_reconstruction_error: float = Field(default=0.995, ge=0)
    """Largest share of the vectors' variance that all levels together leave unexplained (1 code explains none)."""


class LevelQuality(BaseModel):
    """One codebook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    codes: int
    """Codes that could be used; a code that ends a path isn't one."""
    items: int
    """Items whose path is long enough to have a code here."""
    used: int
    """Codes that at least one item has."""
    utilisation: float
    """``used / codes``."""
    entropy: float
    """Entropy of the code frequencies divided by ``log(codes)``; 1 is even use."""
    gini: float
    """Gini coefficient of the items a code, unused codes included; 0 is even use, near 1 few codes hold all."""
    largest_share: float
    """Share of items that have the most frequent code."""
    reconstruction_error: float
    """Squared error up to this level divided by the variance of the vectors."""


class SidQuality(BaseModel):
    """The report that a build writes into its manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: str
    """``hybrid`` or ``pure``."""
    items: int
    """Items the codes were learned from."""
    levels: list[LevelQuality]
    """One entry a codebook, first level first."""
    colliding_items: int
    """Items whose codes, before collisions were resolved, another item has too."""
    collision_share: float
    """``colliding_items / items``."""
    largest_collision: int
    """Most items on one code sequence."""
    sequence_entropy: float
    """Entropy of the code sequences divided by the most it could be; 1 is even use."""
    collisions_by_design: bool
    """True where the codes are only a prefix and an item token follows (hybrid)."""
    reconstruction_error: float
    """That of the last level."""

    def figures(self) -> dict[str, float]:
        """The report as flat figures for a manifest."""
        flat = {
            "collision_share": self.collision_share,
            "sequence_entropy": self.sequence_entropy,
            "reconstruction_error": self.reconstruction_error,
        }
        for number, level in enumerate(self.levels):
            flat |= {
                f"level{number}.utilisation": level.utilisation,
                f"level{number}.entropy": level.entropy,
                f"level{number}.gini": level.gini,
            }
        return flat

    def check(self, thresholds: SidThresholds | None = None) -> None:
        """Stop the build when the codes are too poor to generate from.

        Raises:
            BuildError: with the measure, the threshold and what to do.
        """
        limits = thresholds or SidThresholds()
        for number, level in enumerate(self.levels):
            if level.items < self.items / 2:  # paths that end early leave too few to judge by
                continue
            where = f"semantic IDs: collapsed codebook at level {number}: "
            if level.utilisation < limits.min_utilisation:
                raise BuildError(
                    f"{where}{level.used} of {level.codes} codes in use (utilisation {level.utilisation:.2f}, at least "
                    f'{limits.min_utilisation:.2f} wanted); lower `codes` or `levels`, or set codes = "auto"'
                )
            least = limits.min_entropy if number == 0 else limits.min_residual_entropy
            if level.entropy < least:
                raise BuildError(
                    f"{where}normalised entropy {level.entropy:.2f}, at least {least:.2f} wanted (one code holds "
                    f"{level.largest_share:.0%} of the items); check the item vectors for outliers or lower `codes`"
                )
        if self.sequence_entropy < limits.min_sequence_entropy:
            raise BuildError(
                f"semantic IDs: collapsed code sequences: normalised entropy {self.sequence_entropy:.2f}, at least "
                f"{limits.min_sequence_entropy:.2f} wanted ({self.largest_collision} of {self.items} items share one); "
                "check the item vectors for outliers and repeated texts"
            )
        tells_apart = any(level.codes > 1 for level in self.levels)
        if tells_apart and not self.collisions_by_design and self.collision_share > limits.max_collision_share:
            raise BuildError(
                f"semantic IDs: {self.colliding_items} of {self.items} items share their codes with another "
                f"(share {self.collision_share:.2f}, at most {limits.max_collision_share:.2f} wanted); raise `levels` "
                'or `codes`, or use layout = "hybrid"'
            )
        if tells_apart and self.reconstruction_error > limits.max_reconstruction_error:
            raise BuildError(
                f"semantic IDs: the codes leave {self.reconstruction_error:.2f} of the variance unexplained (at most "
                f"{limits.max_reconstruction_error:.2f} wanted); raise `levels` or `codes`, or check the item vectors"
            )


def measure_quality(
    layout: str,
    vectors: NDArray[np.float32],
    codes: NDArray[np.int32],
    codebooks: list[NDArray[np.float32]],
    collisions_by_design: bool,
    terminal: bool = False,
) -> SidQuality:
    """Make the report.

    Args:
        layout: name of the layout.
        vectors: ``float32[n, d]`` that the codebooks were learned from.
        codes: ``int32[n, levels]`` before collisions are resolved.
        codebooks: per level ``float32[codes, d]``.
        collisions_by_design: whether an item token follows the codes.
        terminal: whether the last code of each level means that the path has ended.
    """
    residual = vectors.astype(np.float64)
    variance = float(np.square(residual - residual.mean(axis=0)).sum())
    levels = []
    for level, codebook in enumerate(codebooks):
        residual -= codebook[codes[:, level]]
        error = float(np.square(residual).sum()) / variance if variance > 0 else 0.0
        size = len(codebook) - int(terminal)
        levels.append(_level_quality(codes[codes[:, level] < size, level], size, error))
    _, sizes = np.unique(codes, axis=0, return_counts=True)
    colliding = int(sizes[sizes > 1].sum())
    return SidQuality(
        layout=layout,
        items=len(codes),
        levels=levels,
        colliding_items=colliding,
        collision_share=colliding / len(codes),
        largest_collision=int(sizes.max()),
        sequence_entropy=_entropy(sizes, min(len(codes), math.prod(len(book) for book in codebooks))),
        collisions_by_design=collisions_by_design,
        reconstruction_error=levels[-1].reconstruction_error,
    )


def _level_quality(column: NDArray[np.int32], codes: int, error: float) -> LevelQuality:
    counts = np.bincount(column, minlength=codes)
    return LevelQuality(
        codes=codes,
        items=len(column),
        used=int((counts > 0).sum()),
        utilisation=float((counts > 0).mean()),
        entropy=_entropy(counts, codes),
        gini=_gini(counts),
        largest_share=float(counts.max() / max(1, len(column))),
        reconstruction_error=error,
    )


def _gini(counts: NDArray[np.int64]) -> float:
    """Gini coefficient: mean absolute difference of two codes' counts, divided by twice the mean count."""
    total = int(counts.sum())
    if not total:
        return 0.0
    ranks = np.arange(1, len(counts) + 1)
    return float(2.0 * (ranks * np.sort(counts)).sum() / (len(counts) * total) - (len(counts) + 1) / len(counts))


def _entropy(counts: NDArray[np.int64], outcomes: int) -> float:
    """Entropy of the frequencies as a share of ``log(outcomes)``; 1 where there is only one outcome to have."""
    if outcomes <= 1 or not counts.any():
        return 1.0
    share = counts[counts > 0] / counts.sum()
    return abs(float((share * np.log(share)).sum() / math.log(outcomes)))
