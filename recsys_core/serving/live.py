"""A release and the changes of its catalogue: what every request sees is one state of both, from begin to end.

A state is a :class:`Recommender` that never changes. A change makes the next one: it is checked, prepared, written to
the log (:class:`ChangeLog`), flushed, shown, and only then acknowledged. So a request that starts later has it, one
that runs keeps the state it took, and a killed process finds the change when it starts again, or never acknowledged
it.

New items are searched at once (:func:`recsys_core.serving.grown.grown`); merging writes a release that holds them,
while requests go on, and goes over to it. What is asked for gives the same before and after.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import Any

from recsys_core.catalog.changes import Applied, CatalogueChanges, Change, check, offering
from recsys_core.errors import ReleaseError
from recsys_core.releases.change_log import ChangeLog
from recsys_core.releases.extend import ExtendConfig, merge_changes
from recsys_core.releases.new_items import catalogue_after
from recsys_core.releases.release import Release
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.grown import grown
from recsys_core.serving.recommender import Recommender

logger = logging.getLogger("sidra.live")

Open = Callable[[Release], Recommender]


class LiveRecommender:
    """The current state of a release's catalogue, and the way to the next. Safe to share between threads.

    Args:
        base: the open release.
        log: its changes; those of its data set by default.
        config: how new items are taken in.
        merge_after: so many pending items are merged into a new release in the background; 0: only when asked.
        reopen: opens a merged release as ``base`` was opened.
    """

    def __init__(
        self,
        base: Recommender,
        log: ChangeLog | None = None,
        *,
        config: ExtendConfig | None = None,
        merge_after: int = 0,
        reopen: Open = Recommender.open,
    ) -> None:
        self._base = base
        self._log = log or ChangeLog.of(base.release)
        self._config = config or ExtendConfig()
        self._merge_after = merge_after
        self._reopen = reopen
        self._switch = threading.Lock()
        self._merging: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._retired: list[Recommender] = []
        self._log.follow()
        self._state, self._changes = base, CatalogueChanges()
        if self._log.entries:
            self._show(*self._derive(base, None))

    @property
    def pending(self) -> int:
        """New items and re-tagged ones that the release doesn't hold itself yet."""
        return len(self._changes.added) + len(self._changes.retags)

    @property
    def changes(self) -> CatalogueChanges:
        """What is in force beside the release."""
        return self._changes

    def behind(self) -> bool:
        """Whether another process wrote changes that :meth:`current` would have to read first; quick."""
        return self._log.behind()

    def current(self) -> Recommender:
        """The catalogue as it is now; a request takes it once and keeps it.

        Raises:
            ReleaseError: the log of changes was damaged by somebody else.
        """
        if self._log.behind():
            self._log.follow()
        if self._changes.number != len(self._log.entries):
            with self._switch:
                self._catch_up()
        return self._state

    def apply(self, change: Change) -> Applied:
        """Put a change in force; it is when this returns.

        Raises:
            UnknownItemError: an item that the catalogue doesn't have.
            DataError: an id that is taken, an unknown field, or a value of the wrong kind. Nothing changed.
            ReleaseError: new items can't be taken in.
            OSError: the log can't be written. Nothing changed.
        """
        with self._log.writing(), self._switch:
            self._catch_up()
            check(change, self._state.catalogue)
            changes = self._changes.then(len(self._log.entries) + 1, change)
            state = self._made(self._base, changes, self._state, self._changes)
            self._log.append(change)
            self._show(state, changes)
            applied = self._applied()
        if self._merge_after and self.pending >= self._merge_after:
            self.merge(wait=False)
        return applied

    def status(self) -> Applied:
        """The last change that is in force, and what came of it."""
        self.current()
        with self._switch:
            return self._applied()

    def merge(self, *, wait: bool = True) -> Applied:
        """Write a release that holds new facts and new items itself, and go over to it while requests go on.

        Args:
            wait: come back when it is done; otherwise a thread does it. One that is at it already is left to finish.

        Raises:
            ReleaseError: the release can't be written (only with ``wait``; otherwise the log says so).
        """
        with self._switch:
            thread = self._merging
            if thread is None or not thread.is_alive():
                self._failure = None
                thread = self._merging = threading.Thread(target=self._merge, name="merge-changes", daemon=True)
                thread.start()
        if wait:
            thread.join()
            if self._failure is not None:
                raise self._failure
        return self.status()

    def reload(self) -> None:
        """Open the release again, because how it is served has changed, and go over to it while requests go on.

        Raises:
            ReleaseError: it can't be opened that way. What was in force stays so.
        """
        anew = self._reopen(self._base.release)
        anew.warm()
        with self._switch:
            if anew.release.id != self._base.release.id:  # a merge was quicker: its release is what is served
                self._retired.append(anew)
                return
            self._retired.append(self._base)  # requests may still be in it
            self._base = anew
            self._show(*self._derive(anew, None))
        logger.info("release %s is served anew", anew.release.id)

    def close(self) -> None:
        """Wait for a merge at work, and let go of the release."""
        thread = self._merging
        if thread is not None and thread.is_alive():
            thread.join()
        for recommender in (*self._retired, self._base):
            recommender.close()

    def _merge(self) -> None:
        try:
            with self._switch:
                base, changes = self._base, self._changes
            if not changes.added and not changes.retags:
                return
            release = merge_changes(ReleaseStore(base.release.path.parent.parent), base.release, changes, self._config)
            merged = self._reopen(release)
            with self._switch:
                self._retired.append(self._base)  # requests may still be in it
                self._base = merged
                self._show(*self._derive(merged, None))
            logger.info("changes up to %s merged into release %s", changes.number, release.id)
        except Exception as error:
            # a merge only spares work: what is in force stays so
            self._failure = error
            logger.exception("changes could not be merged into a release")

    def _catch_up(self) -> None:
        """Show what was read and isn't shown yet; called with the lock held."""
        if self._changes.number != len(self._log.entries):
            self._show(*self._derive(self._base, self._state))

    def _derive(self, base: Recommender, before: Recommender | None) -> tuple[Recommender, CatalogueChanges]:
        """The state that all changes read so far come to."""
        changes = self._log.in_force(base.release, base.catalogue)
        try:
            return self._made(base, changes, before, self._changes), changes
        except ReleaseError as error:
            # somebody else wrote them; what can be served goes on being served
            logger.error("%s new items are left out: %s", len(changes.added), error)
            changes = dataclasses.replace(changes, added=())
            return self._made(base, changes, None, self._changes), changes

    def _made(
        self, base: Recommender, changes: CatalogueChanges, before: Recommender | None, known: CatalogueChanges
    ) -> Recommender:
        """The state of some changes; what they have in common with those of ``before`` isn't made again."""
        if before is not None and _joined(known) == _joined(changes):
            full = before
            catalogue = before.catalogue
            if known.retags != changes.retags:
                catalogue = catalogue_after(base.catalogue, changes)
        else:
            catalogue = catalogue_after(base.catalogue, changes)
            full = grown(base, catalogue, self._config.cold) if changes.added else base
        return full.with_catalogue(offering(catalogue, changes.withdrawn), changes.number)

    def _show(self, state: Recommender, changes: CatalogueChanges) -> None:
        # readers take the state without a lock: it must be complete before it is shown
        self._changes = changes
        self._state = state

    def _applied(self) -> Applied:
        offered = int(self._state.catalogue.offered.sum())
        return Applied(
            number=self._changes.number,
            release=self._base.release.id,
            items=offered,
            withdrawn=len(self._state.catalogue) - offered,
            pending=self.pending,
        )


def _joined(changes: CatalogueChanges) -> Any:
    """What new items look like: their vectors are made of their facts."""
    return changes.added, [changes.retags.get(item.id) for item in changes.added]
