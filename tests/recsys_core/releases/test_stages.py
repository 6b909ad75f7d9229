"""Builds that are killed, changed, crowded or short of disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from recsys_core.durable import files_below, sha256_file, write_atomic
from recsys_core.errors import BuildError, ReleaseError
from recsys_core.releases.release import Manifest
from recsys_core.releases.stages import Stage, StageRunner
from recsys_core.releases.store import ReleaseStore


def manifest(name: str = "r1") -> Manifest:
    return Manifest(id=name, created="2026-01-01T00:00:00+00:00", item_count=1)


class Build:
    """Three stages that count how often they ran."""

    def __init__(self, home: Path) -> None:
        self.store = ReleaseStore(home)
        self.ran: list[str] = []

    def stage(self, name: str, text: str | None = None):
        def work(stage: Stage) -> dict[str, float]:
            self.ran.append(name)
            (stage.folder / f"{name}.txt").write_text(text or name)
            return {f"{name}.figure": 1.5}

        return work

    def go(self, runner: StageRunner, second_input: int = 0, second_text: str | None = None) -> None:
        runner.run("one", self.stage("one"), inputs={"seed": 0}, outputs=["one.txt"])
        runner.run("two", self.stage("two", second_text), inputs=second_input, outputs=["two.txt"])
        runner.run("three", self.stage("three"), inputs={}, outputs=["three.txt"])


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


def test_a_finished_build_becomes_the_current_release(build: Build) -> None:
    with StageRunner.for_config(build.store, "config") as runner:
        build.go(runner)
        release = runner.finish(manifest())
    assert build.store.open().id == "r1" == release.id
    assert sorted(p.name for p in release.path.iterdir()) == ["manifest.json", "one.txt", "three.txt", "two.txt"]
    assert list(release.manifest.stages) == ["one", "two", "three"]
    record = release.manifest.stages["two"]
    assert record.outputs == {"two.txt": sha256_file(release.path / "two.txt")}
    assert record.metrics == {"two.figure": 1.5}


def test_finished_stages_are_skipped_and_their_figures_kept(build: Build) -> None:
    for _ in range(2):
        with StageRunner.for_config(build.store, "config") as runner:
            build.go(runner)
            assert runner.records["two"].metrics == {"two.figure": 1.5}
    assert build.ran == ["one", "two", "three"]


def test_a_changed_input_reruns_its_stage_and_those_after_it_that_see_other_bytes(build: Build) -> None:
    with StageRunner.for_config(build.store, "config") as runner:
        build.go(runner)
    with StageRunner.for_config(build.store, "config") as runner:
        build.go(runner, second_input=1, second_text="changed")
    assert build.ran == ["one", "two", "three", "two", "three"]


def test_a_damaged_or_missing_output_reruns_its_stage(build: Build) -> None:
    for damage in (lambda path: path.write_text("rotten"), Path.unlink):
        with StageRunner.for_config(build.store, "config") as runner:
            build.go(runner)
            damage(runner.workdir / "two.txt")
        build.ran.clear()
        with StageRunner.for_config(build.store, "config") as runner:
            build.go(runner)
            assert (runner.workdir / "two.txt").read_text() == "two"
        assert build.ran == ["two"]


def test_left_overs_of_an_unfinished_stage_are_removed_but_its_scratch_is_kept(build: Build) -> None:
    def half(stage: Stage) -> None:
        (stage.folder / "out").mkdir()
        (stage.folder / "out" / "half.txt").write_text("x")
        (stage.scratch / "checkpoint").write_text("epoch 3")
        raise KeyboardInterrupt

    def whole(stage: Stage) -> None:
        assert not (stage.folder / "out").exists()
        assert (stage.scratch / "checkpoint").read_text() == "epoch 3"
        (stage.folder / "out").mkdir()
        (stage.folder / "out" / "whole.txt").write_text("y")

    with pytest.raises(KeyboardInterrupt), StageRunner.for_config(build.store, "c") as runner:
        runner.run("train", half, inputs=1, outputs=["out"])
    with StageRunner.for_config(build.store, "c") as runner:
        runner.run("train", whole, inputs=1, outputs=["out"])
        release = runner.finish(manifest())
    assert [str(p.relative_to(release.path)) for p in files_below(release.path)] == ["manifest.json", "out/whole.txt"]


def test_a_changed_stage_does_not_see_the_old_scratch(build: Build) -> None:
    seen = []

    def work(stage: Stage) -> None:
        seen.append((stage.scratch / "checkpoint").exists())
        (stage.scratch / "checkpoint").touch()
        raise KeyboardInterrupt

    for inputs in (1, 1, 2):
        with pytest.raises(KeyboardInterrupt), StageRunner.for_config(build.store, "c") as runner:
            runner.run("train", work, inputs=inputs, outputs=["out"])
    assert seen == [False, True, False]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from recsys_core.releases.stages import StageRunner
from recsys_core.releases.store import ReleaseStore

home, ending = Path(sys.argv[1]), sys.argv[2]

def vectors(stage):
    np.save(stage.folder / "vectors.npy", np.random.default_rng(1).normal(size=(50, 4)))

def model(stage):
    print("in model", flush=True)
    (stage.folder / "model.bin").write_bytes(b"half of it")
    if ending == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    (stage.folder / "model.bin").write_bytes(np.load(stage.folder / "vectors.npy").tobytes())

with StageRunner.for_config(ReleaseStore(home), "config") as runner:
    skipped = runner.run("vectors", vectors, inputs=1, outputs=["vectors.npy"]).skipped
    runner.run("model", model, inputs=1, outputs=["model.bin"])
    print("skipped" if skipped else "ran", flush=True)
    if ending == "hold":
        sys.stdin.readline()
"""


def run_killed(home: Path, ending: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(home), ending], capture_output=True, text=True, check=False
    )


def test_killed_in_a_stage_it_resumes_with_the_same_bytes(tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    assert run_killed(straight, "end").returncode == 0
    killed = run_killed(broken, "kill")
    assert killed.returncode == -signal.SIGKILL
    resumed = run_killed(broken, "end")
    assert resumed.returncode == 0, resumed.stderr
    assert "skipped" in resumed.stdout

    def contents(home: Path) -> dict[str, str]:
        found = [p for p in files_below(home) if p.suffix in (".npy", ".bin")]
        return {p.name: sha256_file(p) for p in found}

    assert contents(broken) == contents(straight)
    assert len(contents(broken)) == 2


def test_a_second_build_of_the_same_thing_is_refused_with_the_pid(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "in model\n"
    store = ReleaseStore(tmp_path)
    with pytest.raises(BuildError, match=f"process {first.pid}"), StageRunner.for_config(store, "config"):
        pass
    with StageRunner.for_config(store, "another config"):
        pass
    first.kill()
    first.wait()
    deadline = time.monotonic() + 10
    while True:
        try:
            with StageRunner.for_config(store, "config"):
                break
        except BuildError:
            assert time.monotonic() < deadline, "the lock outlived its process"
            time.sleep(0.05)
    if first.stdin:
        first.stdin.close()
    first.stdout.close()


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("io error: No space left on device (os error 28)")],
)
def test_a_full_disk_is_one_sentence_and_keeps_the_finished_stages(build: Build, error: Exception) -> None:
    def full(stage: Stage) -> None:
        raise error

    with StageRunner.for_config(build.store, "c") as runner:
        runner.run("one", build.stage("one"), inputs=0, outputs=["one.txt"])
        with pytest.raises(BuildError, match=r"stage 'two'.*is full \([\d,]+ MB free\)"):
            runner.run("two", full, inputs=0, outputs=["two.txt"])
    with StageRunner.for_config(build.store, "c") as runner:
        assert runner.run("one", build.stage("one"), inputs=0, outputs=["one.txt"]).skipped


def test_other_errors_pass_through(build: Build) -> None:
    def wrong(stage: Stage) -> None:
        raise ZeroDivisionError

    with StageRunner.for_config(build.store, "c") as runner, pytest.raises(ZeroDivisionError):
        runner.run("one", wrong, inputs=0, outputs=["one.txt"])


def test_broken_promises(build: Build) -> None:
    with StageRunner.for_config(build.store, "c") as runner:
        with pytest.raises(BuildError, match=r"'one' finished without writing more\.txt"):
            runner.run("one", build.stage("one"), inputs=0, outputs=["one.txt", "more.txt"])
        runner.run("one", build.stage("one"), inputs=0, outputs=["one.txt"])
        with pytest.raises(BuildError, match="run twice"):
            runner.run("one", build.stage("one"), inputs=0, outputs=["one.txt"])
        runner.finish(manifest())
    with StageRunner.for_config(build.store, "d") as runner:
        build.go(runner)
        with pytest.raises(ReleaseError, match="'r1' exists"):
            runner.finish(manifest())
    assert build.store.current_id() == "r1"


def test_a_damaged_record_names_the_folder(build: Build) -> None:
    with StageRunner.for_config(build.store, "c") as runner:
        build.go(runner)
        (runner.workdir / "stages.json").write_text("{")
    with pytest.raises(BuildError, match="delete the folder"), StageRunner.for_config(build.store, "c"):
        pass


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_large_outputs_are_hashed_whole(build: Build) -> None:
    def work(stage: Stage) -> None:
        np.save(stage.folder / "big.npy", np.arange(400_000))

    with StageRunner.for_config(build.store, "c") as runner:
        runner.run("big", work, inputs=0, outputs=["big.npy"])
        data = bytearray((runner.workdir / "big.npy").read_bytes())
        data[-1] ^= 1
        (runner.workdir / "big.npy").write_bytes(data)
    with StageRunner.for_config(build.store, "c") as runner:
        assert not runner.run("big", work, inputs=0, outputs=["big.npy"]).skipped
