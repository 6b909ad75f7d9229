"""CapsID: soft routing by agreement in place of nearest codes, and paths that end when they say enough.

After CapsID (arXiv 2605.05096, known to us from notes, not from the authors' code). The vector is scaled to length 1.
At every level each code is a capsule that votes, the votes are brought to agree in three rounds, and *all* votes, each
with its weight, are taken from the residual, not only the winner's:

    u_k = W r + b_k,   a_k = 0
    three times:  c = softmax(a),  v = sum_k c_k u_k,  o = squash(v),  a_k += beta * (u_k . o)
    squash(z) = |z|^2 / (0.5 + |z|^2) * z / |z|
    token = argmax_k c_k,   q = max_k c_k * |o|,   r <- r - sum_k c_k squash(u_k)

A path ends after a token with ``q >= 0.82`` or ``|r| <= 0.08``, at the latest after ``levels`` tokens. An index wants
SIDs of one length, so what is missing is filled with a terminal code, one more than the capsules' at every level.

Ours, not the paper's:

* ``W`` is one matrix a level, the identity plus a low-rank part, in place of one full matrix a capsule (256 matrices of
  384 x 384 a level would be 38 million numbers). The part ``W r . o`` is then the same for all capsules and drops
  out of the softmax, so agreement costs two matrix products.
* The capsules see the first principal components of the vectors (``width``), which cuts the time in proportion.
* ``beta``, one number a level, is learned: residuals get short, and without it deep levels would route evenly.
* The reconstruction reads the routing weights only, through a code vector of its own for each code. Read from the
  votes, as in the paper, it could be perfect with any codes at all, since ``W r`` passes ``r`` by them. The residual
  after each level is kept short as well, but that teaches the codes' own part of the votes only, not ``W``.
* The expected length uses a smooth form of the two rules that end a path.

Training is in :mod:`recsys_core.sids.capsid_training`. SemanticBPE, which merges frequent code pairs, is not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys_core.sids.codebooks import check_count, code_means, smallest
from recsys_core.sids.shape import CodebookShape, checked_vectors, fitting_vectors

LEVEL_ARRAYS = ("bias", "down", "up", "sharpness")
"""What is learned at each level: b ``float32[codes, d]``, the two factors of ``W - 1`` ``float32[rank, d]`` and
``float32[d, rank]``, and ``log beta``."""


_OTHER_LENGTH = np.float32(1000.0)


class CapsIDConfig(CodebookShape):
    """Shape and training."""

    levels: int = Field(default=6, ge=1, le=8)
    """Most tokens a path."""
    rounds: int = Field(default=3, ge=1, le=10)
    """Rounds of routing."""
    width: int = Field(default=128, ge=1)
    """Principal components of the vectors that are kept; all where the vectors are narrower."""
    rank: int = Field(default=16, ge=1, le=1024)
    """Rank of the learned part of ``W``."""
    stop_confidence: float = Field(default=0.82, ge=0, le=1)
    """A path ends when ``q`` is at least this."""
    stop_residual: float = Field(default=0.08, ge=0)
    """A path ends when the residual is at most this long (the vector has length 1)."""
    epochs: int = Field(default=6, ge=1, le=1000)
    """Passes over the items."""
    batch: int = Field(default=512, ge=1)
    """Items a step."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Of Adam; votes of deep levels are short, so a higher rate soon pushes their codes together."""
    spread_weight: float = Field(default=0.05, ge=0)
    """Weight of the spread loss, which wants the winner ahead of its strongest rival by a margin, from .2 to .9."""
    length_weight: float = Field(default=0.01, ge=0)
    """Weight of the expected length, in reconstruction error a token."""


class CapsID:
    """Soft-routed codes of variable length; see :class:`~recsys_core.sids.protocol.Quantizer`.

    ``codebooks`` are the means of what is left of each code's items (zeros for the terminal code, which is the last of
    each level). Further items are encoded alone, so no earlier path changes.

    Args:
        config: shape and training.
    """

    name = "capsid"
    keeps_own_paths = True
    terminal = True

    def __init__(self, config: CapsIDConfig | None = None) -> None:
        self.config = config or CapsIDConfig()
        self.codebooks: list[NDArray[np.float32]] = []
        """Per level ``float32[codes + 1, d]``, filled by :meth:`fit`."""
        self.projection = np.empty((0, 0), dtype=np.float32)
        """``float32[d, width]``, orthonormal columns, filled by :meth:`fit`."""
        self.capsules: list[dict[str, NDArray[np.float32]]] = []
        """Per level the :data:`LEVEL_ARRAYS`, filled by :meth:`fit`."""

    @property
    def levels(self) -> int:
        """Codes a path, terminal codes included."""
        return self.config.levels

    @property
    def code_sizes(self) -> list[int]:
        """Codes of each level and the terminal code; empty before :meth:`fit`."""
        return [len(book) for book in self.codebooks]

    def fit(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Learn everything from ``float32[n, d]`` and return the paths of these vectors, ``int32[n, levels]``.

        Raises:
            BuildError: no vectors, NaN or infinite values, all vectors equal, or fewer items than codes.
        """
        table = checked_vectors(vectors)
        codes = self.config.resolve_codes(table)
        from recsys_core.sids.capsid_training import train_capsules

        self.projection = principal_components(table, self.config.width)
        self.capsules = train_capsules(unit_length(table @ self.projection), codes, self.config)
        paths = self._paths(table)
        self.codebooks = code_means(table, paths, [codes + 1] * self.config.levels, terminal=True)
        return paths

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Paths of ``float32[n, d]``: ``int32[n, levels]``, the terminal code after the last token.

        Raises:
            BuildError: called before :meth:`fit`, NaN or infinite values, or another width than that learned from.
        """
        return self._paths(fitting_vectors(vectors, self.codebooks))

    def candidates(self, vectors: NDArray[np.float32], count: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The best few paths by the sum of ``log c_k`` over the levels.

        The residual doesn't depend on the token that is chosen (all votes are taken away), so the levels are
        independent given the vector and a beam of ``count`` paths misses none. Candidates are as long as the vector's
        own path; only where there are fewer such paths than ``count``, paths of other lengths follow, 1,000 worse for
        each token too many or too few.

        Args:
            vectors: ``float32[n, d]``.
            count: paths a vector.

        Returns:
            ``int32[n, count, levels]`` and ``float32[n, count]``, best first.

        Raises:
            BuildError: as :meth:`encode`.
            ConfigError: ``count`` is below 1 or above the number of paths.
        """
        table = fitting_vectors(vectors, self.codebooks)
        codes = len(self.codebooks[0]) - 1
        check_count(count, sum(codes**length for length in range(1, self.levels + 1)))
        weights, lengths = self._routed(table)
        return _independent_beam(np.log(np.maximum(weights, 1e-30)), lengths, count)

    def lengths(self, codes: NDArray[np.int32]) -> NDArray[np.int64]:
        """Tokens of each path before it ends: ``int[n, levels]`` to ``int64[n]``."""
        tokens = codes < np.array(self.code_sizes) - 1
        return np.asarray(tokens.sum(axis=1), dtype=np.int64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What :meth:`from_arrays` needs."""
        kept: dict[str, NDArray[Any]] = {"projection": self.projection}
        kept |= {f"level_{level}": book for level, book in enumerate(self.codebooks)}
        for level, capsules in enumerate(self.capsules):
            kept |= {f"{name}_{level}": capsules[name] for name in LEVEL_ARRAYS}
        return kept

    @classmethod
    def from_arrays(cls, config: CapsIDConfig, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The quantizer that gave these :meth:`arrays`.

        Raises:
            KeyError: an array is missing.
        """
        quantizer = cls(config)
        levels = range(config.levels)
        quantizer.projection = arrays["projection"]
        quantizer.codebooks = [arrays[f"level_{level}"] for level in levels]
        quantizer.capsules = [{name: arrays[f"{name}_{level}"] for name in LEVEL_ARRAYS} for level in levels]
        return quantizer

    def _routed(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        from recsys_core.sids.capsid_training import route_all

        return route_all(unit_length(vectors @ self.projection), self.capsules, self.config)

    def _paths(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        weights, lengths = self._routed(vectors)
        tokens = weights.argmax(axis=2)
        ended = np.arange(self.levels)[None, :] >= lengths[:, None]
        return np.asarray(np.where(ended, weights.shape[2], tokens), dtype=np.int32)


def principal_components(vectors: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Directions of the largest second moments, not centred: ``float32[n, d]`` to ``float32[d, min(d, width)]``.

    Where nothing is to be left out it is the identity, so that the vectors stay as they are.
    """
    size = vectors.shape[1]
    if size <= width:
        return np.eye(size, dtype=np.float32)
    table = vectors.astype(np.float64)
    _, directions = np.linalg.eigh(table.T @ table)
    kept = directions[:, ::-1][:, :width]
    # eigenvectors have no sign of their own: the largest entry is made positive
    signs = np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(width)])
    return np.ascontiguousarray(kept * signs, dtype=np.float32)


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length 1; zero rows stay."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(norms > 0, norms, 1.0), dtype=np.float32)


def _independent_beam(
    logs: NDArray[np.float32], lengths: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Best paths of ``float32[n, levels, codes]`` where levels are independent; the terminal code is ``codes``."""
    n, levels, codes = logs.shape
    rows = np.arange(n)
    each = rows[:, None]
    own = np.where(np.arange(levels) < lengths[:, None], logs.argmax(axis=2), codes)
    cost = np.zeros((n, 1), dtype=np.float32)
    paths = np.empty((n, 1, 0), dtype=np.int32)
    ended = np.zeros((n, 1), dtype=bool)
    for level in range(levels):
        over = (lengths <= level)[:, None]
        go_on = np.where(over, _OTHER_LENGTH, np.float32(0.0)) - logs[:, level]
        # a path has at least one token, as everything stands for something
        stop = np.where(over, np.float32(0.0), _OTHER_LENGTH if level else np.float32(np.inf))
        tokens = np.where(ended[:, :, None], np.float32(np.inf), go_on[:, None, :])
        terminal = np.where(ended, np.where(over, np.float32(0.0), _OTHER_LENGTH), stop)
        step = np.concatenate([tokens, terminal[:, :, None]], axis=2)
        total = cost[:, :, None] + step
        true = total[rows, 0, own[:, level]]
        # slot 0 follows the own path, whatever rounding does to paths that are as good
        total[rows, 0, own[:, level]] = -np.inf
        flat = total.reshape(n, -1)
        best = smallest(flat, min(count, flat.shape[1]))
        parent, code = np.divmod(best, codes + 1)
        cost = np.take_along_axis(flat, best, axis=1)
        cost[:, 0] = true
        ended = ended[each, parent] | (code == codes)
        paths = np.concatenate([paths[each, parent], code[:, :, None].astype(np.int32)], axis=2)
    return paths, -np.maximum.accumulate(cost, axis=1)
