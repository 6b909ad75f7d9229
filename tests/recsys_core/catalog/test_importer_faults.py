"""An import that fails leaves no half data set, whatever it fails of."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recsys_core.catalog.dataset import load_dataset
from recsys_core.catalog.importer import ColumnMapping, import_dataset
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.errors import DataError
from tests.recsys_core.catalog.own_data import Case, put


def test_a_failed_import_leaves_the_earlier_data_set_alone(case: Case) -> None:
    before = case.run().info
    put(case.folder, "log.csv", "user_id,item_id,timestamp\nu1,zz,2024-01-01\n")
    with pytest.raises(DataError):
        case.run()
    assert load_dataset(case.out / "mine")[2] == before


def test_names_that_lead_out_of_the_folder_are_refused(case: Case) -> None:
    for name in ("../x", "a/b", "", ".hidden"):
        with pytest.raises(DataError, match="can't name a data set"):
            import_dataset(case.items, case.log, ColumnMapping(), case.out, name)


def test_a_full_disk_is_one_sentence_and_keeps_the_earlier_data_set(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = case.run().info

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(InteractionLog, "save", full)
    with pytest.raises(DataError, match=r"the disk of .*datasets is full \([\d,]+ MB free\)"):
        case.run()
    assert [p.name for p in case.out.iterdir()] == ["mine"]
    assert load_dataset(case.out / "mine")[2] == before


def test_a_damaged_data_set_says_to_import_again(case: Case) -> None:
    path = case.run().path
    (path / "dataset.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(DataError, match=r"schema version 99.*sidra import"):
        load_dataset(path)
    (path / "dataset.json").write_text("{")
    with pytest.raises(DataError, match="sidra import"):
        load_dataset(path)
    with pytest.raises(DataError, match="holds no data set"):
        load_dataset(path / "elsewhere")


def test_a_new_data_set_that_cannot_take_its_name_gives_way_to_the_old_one(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = case.run().info
    rename = Path.rename

    def stubborn(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(OSError, match="Input/output"):
        case.run()
    assert [p.name for p in case.out.iterdir()] == ["mine"]
    assert load_dataset(case.out / "mine")[2] == before


def test_what_a_killed_import_left_is_cleared(case: Case) -> None:
    case.run()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (case.out / "mine").rename(case.out / f".mine.{dead.pid}.old")
    (case.out / f".mine.{dead.pid}.new").mkdir()
    (case.out / f".mine.{os.getppid()}.new").mkdir()
    (case.out / ".mine.keep").touch()
    put(case.folder, "log.csv", "user_id,item_id,timestamp\nu1,a,2024-01-01\n")
    case.run()
    left = sorted(p.name for p in case.out.iterdir())
    assert left == sorted(["mine", ".mine.keep", f".mine.{os.getppid()}.new"])
