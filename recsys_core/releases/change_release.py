"""Put a change of a catalogue in force without opening the model: for the command line, beside an API or alone."""

from __future__ import annotations

from collections.abc import Callable

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.changes import Applied, CatalogueChanges, Change, check, offering
from recsys_core.releases.change_log import ChangeLog
from recsys_core.releases.new_items import catalogue_after
from recsys_core.releases.release import Release


def changed_catalogue(release: Release, log: ChangeLog | None = None) -> tuple[Catalogue, CatalogueChanges]:
    """A release's catalogue as it is now, and what was changed.

    Raises:
        ReleaseError: the log is damaged.
    """
    log = log or ChangeLog.of(release)
    log.follow()
    own = Catalogue.load(release.catalogue)
    changes = log.in_force(release, own)
    return offering(catalogue_after(own, changes), changes.withdrawn), changes


def change_release(release: Release, make: Callable[[Catalogue], Change]) -> Applied:
    """Check a change and write it to the log; a running API has it from its next request on.

    Args:
        release: whose data set's log is written.
        make: the change, given the catalogue as it is; called while nobody else can change it.

    Raises:
        UnknownItemError: an item that the catalogue doesn't have.
        DataError: an id that is taken, an unknown field, or a value of the wrong kind. Nothing changed.
    """
    log = ChangeLog.of(release)
    with log.writing():
        catalogue, _ = changed_catalogue(release, log)
        change = make(catalogue)
        check(change, catalogue)
        log.append(change)
    return describe(release)


def describe(release: Release) -> Applied:
    """The last change that is in force on a release, and what came of all of them."""
    catalogue, changes = changed_catalogue(release)
    offered = int(catalogue.offered.sum())
    return Applied(
        number=changes.number,
        release=release.id,
        items=offered,
        withdrawn=len(catalogue) - offered,
        pending=len(changes.added) + len(changes.retags),
    )
