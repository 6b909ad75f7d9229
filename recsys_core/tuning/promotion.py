"""Promoting a plan: the release is served by it from the next reading on; and going back to the one before.

The plan in force is one file beside the release's parts (:data:`~recsys_core.serving.plan.PLAN_FILE`), replaced in one
step, so a reader has the old plan or the new one. What was promoted and taken back, by whom and why, is kept in a file
of its own. A process killed between the two leaves a plan that the record doesn't know; :func:`in_force` says so.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recsys_core.durable import sync_folder, write_json
from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.releases.release import Release
from recsys_core.serving.plan import AS_BUILT, ServingPlan, plan_path, read_plan

RECORD_FILE = "promotions.json"
"""Beside the plan."""


class Promotion(BaseModel):
    """A plan and what spoke for it."""

    model_config = ConfigDict(extra="forbid")

    plan: ServingPlan
    """How the release is to be served."""
    study: str = ""
    """Study that found it; empty for one that a person wrote."""
    changes: dict[str, Any] = Field(default_factory=dict)
    """Knob -> value, where it differs from how the release was served during the study."""
    speed: float = Field(default=1.0, gt=0)
    """Throughput against that, on the test queries."""
    quality: float = Field(default=1.0, ge=0)
    """Share of its quality that was kept there."""
    lower: float = Field(default=1.0)
    """Lower 95 % bound of that share."""
    floor: float = Field(default=0.95, gt=0)
    """Share that has to be kept, in use too."""
    latency_ms: float = Field(default=250.0, gt=0)
    """Longest time that 19 of 20 answers may take in use, wall-clock milliseconds."""
    proposed_by: str = ""
    """Who proposed the configuration."""
    reason: str = ""
    """Why."""


class Entry(BaseModel):
    """Something that happened to the plan."""

    model_config = ConfigDict(extra="forbid")

    event: Literal["promoted", "rolled_back"]
    """What."""
    at: str
    """When, UTC, ISO 8601."""
    promotion: Promotion
    """What was promoted, or taken back."""
    by: str
    """Who asked: a person at the command line or the page, or the watch over what is in use."""
    why: str = ""
    """Why it was taken back."""
    before: ServingPlan = AS_BUILT
    """The plan in force before."""


class InForce(BaseModel):
    """What a release is served by."""

    model_config = ConfigDict(extra="forbid")

    plan: ServingPlan
    """The plan; as built where there is none."""
    promotion: Promotion | None
    """What spoke for it; None as built, or for a plan that nobody promoted."""
    entries: list[Entry]
    """Everything that happened, oldest first."""


def in_force(release: Release, generator: str = "compact") -> InForce:
    """The plan that a release is served by, and how it came to be.

    Raises:
        ReleaseError: a file can't be read.
    """
    plan = read_plan(release, generator)
    entries = _entries(release)
    entry = _promoted(entries, plan)
    return InForce(plan=plan, promotion=entry.promotion if entry is not None else None, entries=entries)


def promote(release: Release, promotion: Promotion, by: str) -> Entry:
    """Serve a release by a plan from now on; a running API goes over to it within seconds.

    Raises:
        ConfigError: it is in force already.
        ReleaseError: a file can't be read or written.
    """
    with _changing(release):
        before = read_plan(release, promotion.plan.generator)
        if before == promotion.plan:
            raise ConfigError("this plan is in force already; there is nothing to apply")
        entry = Entry(event="promoted", at=_now(), promotion=promotion, by=by, before=before)
        _put(release, promotion.plan)
        _append(release, entry)
    return entry


def roll_back(release: Release, by: str, why: str = "", expected: ServingPlan | None = None) -> Entry:
    """Serve a release by the plan that was in force before the last promotion.

    Args:
        release: which.
        by: who asks.
        why: why.
        expected: only when this plan is in force (a watch must not take back what it hasn't watched).

    Raises:
        ConfigError: nothing was promoted, or another plan is in force than expected.
        ReleaseError: a file can't be read or written.
    """
    with _changing(release):
        found = in_force(release, _generator(release))
        if found.plan == AS_BUILT:
            raise ConfigError("the release is served as it was built; there is nothing to roll back")
        if expected is not None and found.plan != expected:
            raise ConfigError("another plan has been promoted meanwhile; look at it first")
        promoted = _promoted(found.entries, found.plan)
        # a plan that nobody promoted was put there by hand: what was before it is not known
        before = promoted.before if promoted is not None else AS_BUILT
        taken_back = promoted.promotion if promoted is not None else Promotion(plan=found.plan)
        entry = Entry(event="rolled_back", at=_now(), promotion=taken_back, by=by, why=why, before=found.plan)
        _put(release, before)
        _append(release, entry)
    return entry


def _promoted(entries: list[Entry], plan: ServingPlan) -> Entry | None:
    """The promotion that put a plan in force."""
    if plan == AS_BUILT:
        return None
    return next((e for e in reversed(entries) if e.event == "promoted" and e.promotion.plan == plan), None)


def stamp(release: Release) -> tuple[int, int]:
    """Changes whenever the plan in force does; (0, 0) without one. Quick enough for every second."""
    try:
        status = plan_path(release).stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_ino


def _generator(release: Release) -> str:
    path = plan_path(release)
    if not path.exists():
        return "compact"
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("generator", "compact"))
    except (OSError, ValueError, AttributeError):
        return "compact"


def _put(release: Release, plan: ServingPlan) -> None:
    path = plan_path(release)
    try:
        if plan == AS_BUILT:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
        else:
            write_json(path, plan.model_dump(exclude_none=True))
    except OSError as error:
        raise ReleaseError(f"{path} can't be written ({error}); the release is served as before") from error


def _entries(release: Release) -> list[Entry]:
    path = release.path / RECORD_FILE
    if not path.exists():
        return []
    try:
        return [Entry.model_validate(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, ValidationError) as error:
        raise ReleaseError(f"{path} can't be read ({error}); move it away: it is a record, nothing needs it") from error


def _append(release: Release, entry: Entry) -> None:
    entries = [*_entries(release), entry]
    write_json(release.path / RECORD_FILE, [e.model_dump(mode="json") for e in entries])


@contextmanager
def _changing(release: Release) -> Iterator[None]:
    """One process at a time; the lock goes with the process."""
    path: Path = release.path / f".{RECORD_FILE}.lock"
    try:
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ReleaseError(f"{release.path} can't be written ({error}); the release is served as before") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
