"""An imported data set on disk: ``items.parquet``, ``interactions.parquet``, ``dataset.json``, ``rejects.csv``."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.items import FieldKind
from recsys_core.catalog.rejects import no_rejects
from recsys_core.durable import digest, free_space, is_disk_full, sha256_file, sync_folder, sync_tree, write_json
from recsys_core.errors import DataError

DATASET_SCHEMA = 1
"""Goes up whenever an older data set folder can no longer be read."""

ITEMS = "items.parquet"
INTERACTIONS = "interactions.parquet"
INFO = "dataset.json"
REJECTS = "rejects.csv"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class DatasetInfo(BaseModel):
    """What ``dataset.json`` says."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = DATASET_SCHEMA
    """Layout of the folder."""
    name: str
    """Name of the data set and of its folder."""
    item_noun: str = "items"
    """What an item is called in the plural."""
    source: str = ""
    """Where the data came from."""
    licence: str = ""
    """What may be done with it."""
    items: int
    """How many items."""
    users: int
    """How many users."""
    interactions: int
    """How many interactions."""
    rejected: int = 0
    """How many rows were refused; they are in rejects.csv."""
    fields: dict[str, FieldKind] = Field(default_factory=dict)
    """Attribute name -> kind."""
    content_sha256: str
    """Hash of the two Parquet files; the same data gives the same hash."""
    created: str
    """When it was imported, ISO 8601 in UTC."""


class ImportReport(BaseModel):
    """What an import did."""

    model_config = ConfigDict(extra="forbid")

    path: Path
    """Folder of the data set."""
    info: DatasetInfo
    """What it holds."""
    rejects_path: Path | None = None
    """File with the refused rows, or None when there are none."""
    reasons: dict[str, int] = Field(default_factory=dict)
    """Reason -> how many rows were refused for it."""
    notes: list[str] = Field(default_factory=list)
    """Plain sentences about choices the import made."""


def load_dataset(path: Path) -> tuple[Catalogue, InteractionLog, DatasetInfo]:
    """Open an imported data set.

    Raises:
        DataError: the folder isn't one, or is of another schema version.
    """
    file = path / INFO
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} holds no data set ({INFO} is missing); run `sidra import`") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file} can't be read ({error}); run `sidra import` again") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != DATASET_SCHEMA:
        raise DataError(
            f"{file} has schema version {version}, this Sidra reads {DATASET_SCHEMA}; run `sidra import` again"
        )
    try:
        info = DatasetInfo.model_validate(data)
    except ValidationError as error:
        raise DataError(f"{file} is damaged ({error.errors()[0]['msg']}); run `sidra import` again") from error
    catalogue = Catalogue.load(path / ITEMS)
    log = InteractionLog.load(path / INTERACTIONS)
    if log.n_items != len(catalogue):
        raise DataError(f"{path}: the interactions belong to another catalogue; run `sidra import` again")
    return catalogue, log, info


def write_dataset(
    out_dir: Path,
    name: str,
    catalogue: Catalogue,
    log: InteractionLog,
    *,
    source: str,
    licence: str = "",
    rejects: pl.DataFrame | None = None,
    notes: Sequence[str] = (),
) -> ImportReport:
    """Write a data set into ``out_dir/name``; it appears there complete or not at all.

    Args:
        out_dir: folder of all data sets.
        name: of this one; an earlier one of the same name is replaced.
        catalogue: its items.
        log: its interactions, as indices into ``catalogue``.
        source: where the data came from, in words.
        licence: what may be done with it, in words.
        rejects: refused rows (file, row, reason, value), written to ``rejects.csv``.
        notes: plain sentences that go into the report.

    Raises:
        DataError: the name can't be a folder name, or the disk is full.
    """
    rejects = no_rejects() if rejects is None else rejects
    with _new_folder(out_dir, name) as folder:
        catalogue.save(folder / ITEMS)
        log.save(folder / INTERACTIONS)
        info = DatasetInfo(
            name=name,
            item_noun=catalogue.item_noun,
            source=source,
            licence=licence,
            items=len(catalogue),
            users=log.n_users,
            interactions=len(log),
            rejected=rejects.height,
            fields={field: spec.kind for field, spec in catalogue.fields.items()},
            content_sha256=digest(sha256_file(folder / ITEMS), sha256_file(folder / INTERACTIONS)),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_json(folder / INFO, info.model_dump(mode="json"))
        rejects.write_csv(folder / REJECTS)
    final = Path(out_dir) / name
    return ImportReport(
        path=final,
        info=info,
        rejects_path=final / REJECTS if rejects.height else None,
        reasons={reason: count for reason, count in rejects["reason"].value_counts(sort=True).iter_rows()},
        notes=list(notes),
    )


def check_name(name: str) -> None:
    """Refuse a data set name that can't be a folder name.

    Raises:
        DataError: it can't.
    """
    if not _NAME.fullmatch(name):
        raise DataError(f"{name!r} can't name a data set; use letters, digits, dot, dash and underscore, at most 64")


def _clear_left_overs(out_dir: Path, name: str) -> None:
    """Put back or remove what a killed import of the same name left."""
    for left in out_dir.glob(f".{name}.*"):
        pid, _, kind = left.name.removeprefix(f".{name}.").partition(".")
        if not pid.isdigit() or kind not in ("new", "old") or (int(pid) != os.getpid() and _is_alive(int(pid))):
            continue
        if kind == "old" and not (out_dir / name).exists():
            left.rename(out_dir / name)
        else:
            shutil.rmtree(left)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _new_folder(out_dir: Path, name: str) -> Iterator[Path]:
    check_name(name)
    out_dir = Path(out_dir)
    final, building, old = (
        out_dir / name,
        out_dir / f".{name}.{os.getpid()}.new",
        out_dir / f".{name}.{os.getpid()}.old",
    )
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        _clear_left_overs(out_dir, name)
        building.mkdir()
        yield building
        sync_tree(building)
        # A folder can't be replaced in one step; the old one is kept until the new one has its name.
        if final.exists():
            final.rename(old)
        building.rename(final)
        sync_folder(out_dir)
    except Exception as error:
        if is_disk_full(error):
            raise DataError(
                f"the disk of {out_dir} is full ({free_space(out_dir)} free); make room and import again"
            ) from error
        raise
    finally:
        if old.exists() and not final.exists():
            old.rename(final)
        shutil.rmtree(building, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
