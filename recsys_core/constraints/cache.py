"""Rules that were used lately, prepared the better the more often they come."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from numpy.typing import ArrayLike

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.constraints.masking import Masker, MaskerConfig
from recsys_core.constraints.prepared import CachedMasker, CompactedMasker
from recsys_core.constraints.rules import LiveMasker, Rule


@dataclass(frozen=True)
class RuleCacheConfig:
    """How rules are kept.

    Attributes:
        budget_bytes: what all kept rules may take; the ones not used for longest go first.
        compact_below: a rule that keeps less than this share of the leaves gets an index of its own on its second use.
        compact_uses: a rule that keeps more gets one on its so-manieth use.
    """

    budget_bytes: int = 1 << 28
    compact_below: float = 0.3
    compact_uses: int = 8


@dataclass
class _Entry:
    rule: Rule
    masker: Masker
    nbytes: int
    uses: int = 1


class RuleCache:
    """Maskers by rule, for one index.

    The first use of a rule steps live, the second and later ones through tables (or an index of its own, when the rule
    keeps little). A masker never changes, so a search goes on with the one it was given. Safe to use from several
    threads.

    Args:
        index: the rules are over.
        release: part of every key, so that rules of another release are never met.
        config: what is kept.
        masker: where one way of masking takes over from another.
    """

    def __init__(
        self,
        index: ConstraintIndex,
        release: str = "",
        config: RuleCacheConfig | None = None,
        masker: MaskerConfig | None = None,
    ) -> None:
        self.index = index
        self.release = release
        self.config = config or RuleCacheConfig()
        self.plain = Masker(index.arrays, len(index), masker, index.vocab_sizes)
        """Steps without a rule."""
        self._entries: OrderedDict[tuple[str, Hashable], _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """Bytes of all kept rules."""
        with self._lock:
            return sum(entry.nbytes for entry in self._entries.values())

    def get(self, key: Hashable, allowed: Callable[[], ArrayLike] | ArrayLike, *, by_leaf: bool = False) -> Masker:
        """A masker for a rule.

        Args:
            key: names the rule, whatever is allowed by it; equal keys must mean equal rules in this release.
            allowed: ``bool[items]``, or what makes it; only asked for when the rule isn't kept.
            by_leaf: ``allowed`` is ``bool[n_leaves]`` or leaf positions.

        Raises:
            ValueError: ``allowed`` doesn't fit the index.
        """
        full = (self.release, key)
        with self._lock:
            entry = self._entries.get(full)
            if entry is not None:
                self._entries.move_to_end(full)
                entry.uses += 1
        if entry is None:
            entry = self._first(allowed() if callable(allowed) else allowed, by_leaf)
        else:
            # made outside the lock: two threads may do it at once, to the same result
            entry.masker = self._prepared(entry)
            entry.nbytes = entry.masker.nbytes + (entry.rule.nbytes if isinstance(entry.masker, CompactedMasker) else 0)
        with self._lock:
            self._entries[full] = entry
            self._entries.move_to_end(full)
            self._make_room()
        return entry.masker

    def _first(self, allowed: ArrayLike, by_leaf: bool) -> _Entry:
        make = Rule.of_leaves if by_leaf else Rule.of_items
        rule = make(self.index.arrays, len(self.index), allowed)
        masker = LiveMasker(self.plain, rule)
        return _Entry(rule, masker, masker.nbytes)

    def _prepared(self, entry: _Entry) -> Masker:
        masker = entry.masker
        if isinstance(masker, CompactedMasker) or not entry.rule.items:
            return masker
        if entry.rule.share < self.config.compact_below or entry.uses >= self.config.compact_uses:
            return CompactedMasker(self.plain, entry.rule)
        return masker if isinstance(masker, CachedMasker) else CachedMasker(self.plain, entry.rule)

    def _make_room(self) -> None:
        """Drop what wasn't used for longest until the rest fits; called with the lock held."""
        total = sum(entry.nbytes for entry in self._entries.values())
        while total > self.config.budget_bytes and self._entries:
            _, dropped = self._entries.popitem(last=False)
            total -= dropped.nbytes
