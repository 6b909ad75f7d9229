"""What one masking step leaves open: scores, and on demand the tokens and nodes they belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Resolve = Callable[[Ints], tuple[Ints, Ints, Ints]]
"""From positions in the flattened scores to state, token and child node."""

_BLOCKS = 32
_FEW = 8_192


class Best(NamedTuple):
    """The best continuations of each group of states, best first; ties go to the earlier state and smaller token.

    Attributes:
        scores: float32[G, k], -inf where there are no more.
        states: int64[G, k], which state each continues, -1 where there are no more.
        tokens: int64[G, k], -1 where there are no more.
        nodes: int64[G, k], at the next depth, -1 where there are no more.
    """

    scores: Floats
    states: Ints
    tokens: Ints
    nodes: Ints


class Continuations:
    """The allowed continuations of ``B`` states.

    Children of a node are neighbours in memory, so a score's place says which node it is for; tokens and nodes are
    looked up for those that are wanted.

    Args:
        scores: ``float32[B, F]`` padded with -inf, or ``float32[N]``, one state after the other.
        offsets: ``int64[B + 1]``, where each state's scores begin in the flat form; None when padded.
        resolve: finds state, token and node of places in the flattened scores.
    """

    __slots__ = ("offsets", "resolve", "scores")

    def __init__(self, scores: Floats, offsets: Ints | None, resolve: Resolve) -> None:
        self.scores = scores
        self.offsets = offsets
        self.resolve = resolve

    @property
    def states(self) -> int:
        """How many states were continued."""
        return len(self.scores) if self.offsets is None else len(self.offsets) - 1

    def each(self) -> tuple[Ints, Ints, Ints, Floats]:
        """All that are open: state, token, node and score, four ``[N]``, by state and token."""
        flat = self.scores.reshape(-1)
        places = np.flatnonzero(flat != -np.inf)
        return (*self.resolve(places), flat[places])

    def best(self, k: int, groups: int = 1) -> Best:
        """The ``k`` best of each of ``groups`` equal runs of states; a run is one request's beams.

        Raises:
            ValueError: the states don't divide into so many groups, or a score is NaN.
        """
        if self.states % groups:
            raise ValueError(f"{self.states} states don't divide into {groups} groups")
        beams = self.states // groups
        flat = self.scores.reshape(-1)
        if self.offsets is None:
            width = self.scores.shape[1] * beams
            bounds = [group * width for group in range(groups + 1)]
        else:
            bounds = self.offsets[::beams].tolist() if beams else [0] * (groups + 1)
        found = np.full((4, groups, k), -1, dtype=np.int64)
        scores = np.full((groups, k), -np.inf, dtype=np.float32)
        for group in range(groups):
            own = flat[bounds[group] : bounds[group + 1]]
            places = largest(own, k)
            count = len(places)
            scores[group, :count] = own[places]
            found[:3, group, :count] = self.resolve(places + bounds[group])
        return Best(scores, found[0], found[1], found[2])


def nothing(states: int) -> Continuations:
    """No continuation at all."""
    empty = np.full((states, 1), -np.inf, dtype=np.float32)
    return Continuations(empty, None, lambda places: (places, places * 0 - 1, places * 0 - 1))


def largest(flat: Floats, k: int) -> Ints:
    """Places of the ``k`` largest finite-or-larger values of ``float32[N]``, largest first, ties by place.

    Wide inputs are thinned out first: the k-th largest of the maxima of any blocks is no larger than the k-th largest
    value, so what lies below it can't be among the best.

    Raises:
        ValueError: a value is NaN.
    """
    places: Ints | None = None
    values = flat
    rows = len(flat) // _BLOCKS
    if len(flat) > _FEW and k < rows:
        # strided blocks: a maximum over the first axis runs along memory
        tops = flat[: rows * _BLOCKS].reshape(_BLOCKS, rows).max(axis=0)
        _refuse_nan(tops)  # a maximum passes NaN on
        _refuse_nan(flat[rows * _BLOCKS :])
        bound = np.partition(tops, rows - k)[rows - k]
        if bound > -np.inf:
            places = np.flatnonzero(flat >= bound)
            values = flat[places]
    else:
        _refuse_nan(flat)
    if 8 * k < len(values):
        bound = np.partition(values, len(values) - k)[len(values) - k]
        kept = np.flatnonzero(values >= bound)
        values = values[kept]
        places = kept if places is None else places[kept]
    order = np.argsort(-values, kind="stable")[:k]
    order = order[values[order] > -np.inf]
    chosen: NDArray[Any] = order if places is None else places[order]
    return chosen.astype(np.int64, copy=False)


def _refuse_nan(values: Floats) -> None:
    if np.isnan(values).any():
        raise ValueError("a score is NaN; the model is broken")
