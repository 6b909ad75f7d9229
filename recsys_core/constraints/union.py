"""Stepping through two tries at once: the index, and the few semantic IDs that came after it was built."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from recsys_core.constraints.continuations import Continuations, Floats, Ints
from recsys_core.constraints.masking import Masker


class UnionMasker:
    """What either of two maskers leaves open; the calls are those of :class:`Masker`.

    A state is a pair of nodes as one number, either of which may be closed. Most states are closed in the smaller trie
    after a level or two, and a step costs no more than that of the larger one from there on.

    Args:
        base: steps through the index.
        more: steps through what was added; no semantic ID is in both.
        items: ``int64[m]``, the items of ``more`` in the numbering of all.
        allowed: how many items can be reached.
    """

    def __init__(self, base: Masker, more: Masker, items: Ints, allowed: int) -> None:
        if base.levels != more.levels:
            raise ValueError(f"semantic IDs of {more.levels} levels don't join those of {base.levels}")
        self.base, self.more = base, more
        self.allowed = allowed
        self.levels = base.levels
        self.vocab_sizes = [max(pair) for pair in zip(base.vocab_sizes, more.vocab_sizes, strict=True)]
        self._items = items
        self._factor = max(more.arrays.nodes) + 1

    def step(self, level: int, nodes: ArrayLike, scores: Floats) -> Continuations:
        """The continuations of some states; see :meth:`Masker.step`."""
        base, more = self._split(nodes, level)
        found = self.base.step(level, base, scores)
        if (more < 0).all():
            return Continuations(found.scores, found.offsets, lambda places: self._alone(found, places))
        theirs, added = found.each(), self.more.step(level, more, scores).each()
        state, token, child = (np.concatenate(pair) for pair in zip(theirs[:3], added[:3], strict=True))
        of_base = np.arange(len(state)) < len(theirs[0])
        width = scores.shape[1]
        keys, place = np.unique(state * width + token, return_inverse=True)
        joined = np.full((2, len(keys)), -1, dtype=np.int64)
        joined[0, place[of_base]] = child[of_base]
        joined[1, place[~of_base]] = child[~of_base]
        following = self._join(joined[0], joined[1])
        states, tokens = np.divmod(keys, width)
        offsets = np.searchsorted(states, np.arange(len(base) + 1))
        return Continuations(
            scores[states, tokens], offsets, lambda places: (states[places], tokens[places], following[places])
        )

    def mask_(self, level: int, nodes: ArrayLike, scores: Floats) -> None:
        """Write -inf over every score that isn't a continuation, in place."""
        base, more = self._split(nodes, level)
        if (more < 0).all():
            self.base.mask_(level, base, scores)
            return
        state, token, _, kept = self.more.step(level, more, scores).each()
        self.base.mask_(level, base, scores)
        scores[state, token] = kept

    def advance(self, level: int, nodes: ArrayLike, tokens: ArrayLike) -> Ints:
        """The states that tokens lead to, -1 where that isn't open."""
        base, more = self._split(nodes, level)
        return self._join(self.base.advance(level, base, tokens), self.more.advance(level, more, tokens))

    def locate(self, prefixes: ArrayLike) -> Ints:
        """The states that prefixes ``int[B, l]`` lead to, -1 where that isn't open."""
        prefix = np.asarray(prefixes)
        if not prefix.shape[-1]:
            return np.zeros(len(prefix), dtype=np.int64)
        return self._join(self.base.locate(prefix), self.more.locate(prefix))

    def items(self, nodes: ArrayLike) -> Ints:
        """Items of whole semantic IDs; -1 stays -1."""
        base, more = self._split(nodes, self.levels)
        leaf = self.more.items(more)
        return np.where(leaf >= 0, self._items.take(leaf, mode="clip"), self.base.items(base))

    def _alone(self, found: Continuations, places: Ints) -> tuple[Ints, Ints, Ints]:
        state, token, child = found.resolve(places)
        return state, token, self._join(child, np.full_like(child, -1))

    def _join(self, base: Ints, more: Ints) -> Ints:
        return (base + 1) * self._factor + more

    def _split(self, nodes: ArrayLike, level: int) -> tuple[Ints, Ints]:
        given = np.asarray(nodes, dtype=np.int64)
        if level == 0:  # node 0 is the root of both
            root = np.minimum(given, 0)
            return root, root
        base, more = np.divmod(given + 1, self._factor)
        return base - 1, more - 1
