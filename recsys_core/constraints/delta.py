"""Changes of the catalogue between two builds: seen by the next request, merged into a new index in the background."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys_core.constraints.cache import RuleCache, RuleCacheConfig
from recsys_core.constraints.continuations import Ints
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.constraints.masking import Masker
from recsys_core.constraints.rules import LiveMasker, Rule
from recsys_core.constraints.union import UnionMasker
from recsys_core.errors import BuildError


@dataclass(frozen=True)
class Snapshot:
    """The catalogue as one request sees it, from its first step to its last.

    Attributes:
        version: grows with every change.
        items: how many items there are, withdrawn ones included.
        withdrawn: ``bool[items]``.
        more: semantic IDs that aren't in the index yet; None when there are none.
        owners: ``int64[m]``, the items of ``more``'s own items.
        rules: maskers of the index.
    """

    version: int
    items: int
    withdrawn: NDArray[np.bool_]
    more: Masker | None
    owners: Ints
    rules: RuleCache

    def masker(self, key: Hashable, allowed: ArrayLike | None = None) -> Masker | UnionMasker:
        """Steps through what a rule allows and nothing else.

        Args:
            key: names the rule; equal keys must mean equal rules at this version.
            allowed: ``bool[items]``; every item that isn't withdrawn when None.

        Raises:
            ValueError: not boolean, or not one value an item.
        """
        given = np.ones(self.items, dtype=bool) if allowed is None else np.asarray(allowed)
        if given.dtype != np.bool_ or given.shape != (self.items,):
            raise ValueError(f"a rule over items is bool[{self.items}], got {given.dtype}{list(given.shape)}")
        opened = given & ~self.withdrawn
        base = self.rules.get((self.version, key), opened[: len(self.rules.index)])
        if self.more is None:
            return base
        own = opened[self.owners]
        rule = Rule.of_items(self.more.arrays, len(self.owners), own)
        return UnionMasker(base, LiveMasker(self.more, rule), self.owners, int(np.count_nonzero(opened)))


class DeltaIndex:
    """An index with changes on top. Items keep their numbers for good; withdrawn ones keep theirs, too.

    A change is acknowledged when its call returns: every snapshot taken later has it, none taken earlier does. Safe to
    use from several threads.

    Args:
        index: of the release.
        release: part of the keys of cached rules.
        cache: how rules are kept.
    """

    def __init__(self, index: ConstraintIndex, release: str = "", cache: RuleCacheConfig | None = None) -> None:
        self._release, self._cache = release, cache
        self._lock = threading.Lock()
        self._merging: threading.Thread | None = None
        self._index = index
        self._rows: list[tuple[tuple[int, ...], int]] = []
        self._snapshot = Snapshot(
            0,
            len(index),
            np.zeros(len(index), dtype=bool),
            None,
            np.zeros(0, dtype=np.int64),
            RuleCache(index, release, cache),
        )

    def snapshot(self) -> Snapshot:
        """The catalogue as it is now; unaffected by whatever changes afterwards."""
        return self._snapshot

    @property
    def pending(self) -> int:
        """Semantic IDs that aren't in the index yet."""
        return len(self._rows)

    def add(self, sids: ArrayLike, items: ArrayLike | None = None) -> list[int]:
        """Take in new semantic IDs.

        Args:
            sids: ``int[m, L]``.
            items: ``int[m]``, whose each is: known items, or new ones from the first free number on without a gap. Each
                is a new item's when None.

        Returns:
            The item of each.

        Raises:
            BuildError: another length, a semantic ID that is taken, or an item number that leaves a gap.
        """
        table = np.asarray(sids)
        with self._lock:
            before = self._snapshot
            if table.ndim != 2 or table.shape[1] != self._index.levels or table.dtype.kind not in "iu":
                raise BuildError(
                    f"new semantic IDs are whole numbers [m, {self._index.levels}], "
                    f"got {table.dtype}{list(table.shape)}"
                )
            owners = np.arange(before.items, before.items + len(table)) if items is None else np.asarray(items)
            fresh = np.unique(owners[owners >= before.items])
            expected = np.arange(before.items, before.items + len(fresh))
            if owners.shape != (len(table),) or (owners < 0).any() or (fresh != expected).any():
                raise BuildError(f"new items are numbered from {before.items} on without a gap, one a semantic ID")
            taken = np.flatnonzero(self._index.lookup(table) >= 0)
            known = {sid for sid, _ in self._rows}
            rows = [(tuple(sid), item) for sid, item in zip(table.tolist(), owners.tolist(), strict=True)]
            names = [sid for sid, _ in rows]
            doubled = [sid for sid in names if sid in known or names.count(sid) > 1]
            if len(taken) or doubled:
                first = list(names[int(taken[0])]) if len(taken) else list(doubled[0])
                raise BuildError(f"the semantic ID {first} is taken; give the new item another")
            self._publish(self._index, self._rows + rows, before.items + len(fresh), before.withdrawn)
        return [int(item) for item in owners]

    def withdraw(self, items: Iterable[int]) -> None:
        """Close items for all later snapshots.

        Raises:
            BuildError: there is no such item.
        """
        self._mark(items, True)

    def restore(self, items: Iterable[int]) -> None:
        """Open withdrawn items again.

        Raises:
            BuildError: there is no such item.
        """
        self._mark(items, False)

    def retag(self) -> None:
        """Say that attributes of items changed: rules of equal keys are worked out anew."""
        with self._lock:
            now = self._snapshot
            self._publish(self._index, self._rows, now.items, now.withdrawn)

    def merge(self, *, wait: bool = True) -> None:
        """Build an index that has everything added so far, and go over to it; requests go on meanwhile.

        Args:
            wait: come back when it is done; otherwise a thread does it. One that is at it already is left to finish.
        """
        with self._lock:
            thread = self._merging
            if thread is None or not thread.is_alive():
                thread = self._merging = threading.Thread(
                    target=self._merge, name="constraint-index-merge", daemon=True
                )
                thread.start()
        if wait:
            thread.join()

    def _merge(self) -> None:
        with self._lock:
            index, rows = self._index, list(self._rows)
        if not rows:
            return
        sids = np.concatenate([index.leaf_sids()[index.item_leaves], np.array([sid for sid, _ in rows], np.int32)])
        owners = np.concatenate([index.leaf_item[index.item_leaves], np.array([item for _, item in rows], np.int32)])
        merged = ConstraintIndex.build(sids, items=owners)
        with self._lock:
            now = self._snapshot
            # what came while this was building stays on top
            self._publish(merged, self._rows[len(rows) :], now.items, now.withdrawn)

    def _mark(self, items: Iterable[int], withdrawn: bool) -> None:
        with self._lock:
            now = self._snapshot
            chosen = np.array(sorted(set(items)), dtype=np.int64)
            if len(chosen) and not (chosen[0] >= 0 and chosen[-1] < now.items):
                raise BuildError(f"items go from 0 to {now.items - 1}, got {chosen[0]} to {chosen[-1]}")
            flags = now.withdrawn.copy()
            flags[chosen] = withdrawn
            self._publish(self._index, self._rows, now.items, flags)

    def _publish(
        self,
        index: ConstraintIndex,
        rows: list[tuple[tuple[int, ...], int]],
        items: int,
        withdrawn: NDArray[np.bool_],
    ) -> None:
        """Make the next snapshot; called with the lock held."""
        now = self._snapshot
        flags = np.zeros(items, dtype=bool)
        flags[: len(withdrawn)] = withdrawn
        more: Masker | None = None
        owners = np.zeros(0, dtype=np.int64)
        if rows:
            owners, own = np.unique(np.array([item for _, item in rows], dtype=np.int64), return_inverse=True)
            added = ConstraintIndex.build([sid for sid, _ in rows], items=own)
            more = Masker(added.arrays, len(added))
        rules = now.rules if index is self._index else RuleCache(index, self._release, self._cache)
        # readers take the snapshot without the lock: it must be complete before it is shown
        self._index, self._rows = index, rows
        self._snapshot = Snapshot(now.version + 1, items, flags, more, owners, rules)
