"""Choosing, rolling back and deleting releases, also while others read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recsys_core.errors import ReleaseError
from recsys_core.releases.release import MANIFEST, SCHEMA_VERSION, Manifest, Release
from recsys_core.releases.store import ReleaseStore


def put(store: ReleaseStore, name: str, created: str = "2026-01-01T00:00:00+00:00", **changes) -> Path:
    folder = store.root / name
    folder.mkdir(parents=True)
    manifest = Manifest(id=name, created=created, item_count=3, dataset={"name": "films"}).model_dump() | changes
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ReleaseStore:
    return ReleaseStore(tmp_path)


def test_nothing_built_yet(store: ReleaseStore) -> None:
    assert store.list() == []
    assert store.current_id() is None
    with pytest.raises(ReleaseError, match="sidra build"):
        store.open()
    with pytest.raises(ReleaseError, match="no earlier release"):
        store.rollback()


def test_use_and_rollback_walk_back_through_what_was_current(store: ReleaseStore) -> None:
    for name in "abc":
        put(store, name)
        store.use(name)
    store.use("c")
    assert store.open().id == "c"
    assert store.rollback() == "b"
    assert store.rollback() == "a"
    with pytest.raises(ReleaseError, match="no earlier release"):
        store.rollback()
    assert store.current_id() == "a"


def test_rollback_passes_over_a_deleted_release(store: ReleaseStore) -> None:
    for name in "abc":
        put(store, name)
        store.use(name)
    store.delete("b")
    assert [info.id for info in store.list()] == ["a", "c"]
    assert store.rollback() == "a"


def test_the_current_release_cannot_be_deleted(store: ReleaseStore) -> None:
    put(store, "a")
    store.use("a")
    with pytest.raises(ReleaseError, match="in use"):
        store.delete("a")
    assert store.open().id == "a"


@pytest.mark.parametrize("name", ["nope", "../a", "", ".", ".building", "a/../a"])
def test_names_that_are_no_release(store: ReleaseStore, name: str) -> None:
    put(store, "a")
    (store.root / ".building").mkdir()
    for ask in (store.open, store.use, store.delete, store.path):
        with pytest.raises(ReleaseError, match="there is no release"):
            ask(name)
    assert (store.root / "a").is_dir()


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1, None, "1"])
def test_another_schema_version_is_refused_with_what_to_run(store: ReleaseStore, version: object) -> None:
    put(store, "a")
    store.use("a")
    put(store, "b", schema_version=version, something="new")
    for ask in (store.open, store.use):
        with pytest.raises(ReleaseError, match=r"schema version.*run `sidra build`"):
            ask("b")
    assert store.current_id() == "a"
    problems = {info.id: info.problem for info in store.list()}
    assert problems["a"] is None
    assert "sidra build" in str(problems["b"])


def test_damaged_manifest_and_pointer(store: ReleaseStore) -> None:
    folder = put(store, "a")
    (folder / MANIFEST).write_text("{")
    with pytest.raises(ReleaseError, match=r"manifest\.json can't be read"):
        Release(folder)
    put(store, "b", item_count=-1)
    with pytest.raises(ReleaseError, match="item_count"):
        store.open("b")
    (store.root / "current.json").write_text("nonsense")
    with pytest.raises(ReleaseError, match=r"current\.json is damaged"):
        store.current_id()


def test_list_is_by_age_and_marks_the_current_one(store: ReleaseStore) -> None:
    put(store, "new", "2026-02-01T00:00:00+00:00")
    put(store, "old", "2025-02-01T00:00:00+00:00")
    store.use("old")
    assert [(info.id, info.current, info.dataset) for info in store.list()] == [
        ("old", True, "films"),
        ("new", False, "films"),
    ]


READER = """
import sys
from pathlib import Path
from recsys_core.releases.store import ReleaseStore

store = ReleaseStore(Path(sys.argv[1]))
print("ready", flush=True)
seen = {store.open().id for _ in range(int(sys.argv[2]))}
print(" ".join(sorted(seen)), flush=True)
"""


def test_a_reader_never_misses_the_current_release(store: ReleaseStore, tmp_path: Path) -> None:
    for name in "ab":
        put(store, name)
    store.use("a")
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(tmp_path), "3000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    switches = 0
    while reader.poll() is None:
        store.use("b")
        store.rollback()
        switches += 2
    out, err = reader.communicate()
    assert reader.returncode == 0, err
    assert out.split() == ["a", "b"]
    assert switches > 10
