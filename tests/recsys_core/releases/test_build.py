"""The build: same seed, same bytes; killed, it goes on; what it can't learn from, it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from recsys_core.catalog.dataset import write_dataset
from recsys_core.catalog.synth import synthetic
from recsys_core.errors import DataError
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.releases.build import BuildConfig, build_release
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.recommender import Recommender
from tests.conftest import TINY_BUILD

ARRAYS = (
    "text_vectors.npy",
    "item_vectors.npy",
    "sids.npy",
    "popularity.npy",
    "generator/model.safetensors",
    "serving.json",
)


def _dataset(home, n_items=60, n_users=40):
    catalogue, log = synthetic(n_items=n_items, n_users=n_users, seed=5)
    return write_dataset(home / "datasets", "synthetic", catalogue, log, source="made up").path


def _build_in_child(dataset, home):
    code = (
        "import sys; from pathlib import Path\n"
        "from recsys_core.releases.build import build_release\n"
        "from recsys_core.releases.store import ReleaseStore\n"
        "from tests.conftest import TINY_BUILD\n"
        "def tell(e): print(e.stage, e.kind, flush=True)\n"
        f"build_release(Path({str(dataset)!r}), ReleaseStore(Path({str(home)!r})), TINY_BUILD, tell)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}
    )


def test_killed_in_training_it_resumes_and_ends_with_the_same_bytes(tmp_path):
    dataset = _dataset(tmp_path)
    unbroken = build_release(dataset, ReleaseStore(tmp_path / "unbroken"), TINY_BUILD)
    child = _build_in_child(dataset, tmp_path / "killed")
    for line in child.stdout:
        if line.split() == ["generator", "progress"]:
            child.send_signal(signal.SIGKILL)
            break
    child.wait(30)
    child.stdout.close()
    store = ReleaseStore(tmp_path / "killed")
    assert store.current_id() is None, "a killed build must not leave a release"
    events = []
    release = build_release(dataset, store, TINY_BUILD, events.append)
    skipped = {e.stage for e in events if e.kind == "skipped"}
    assert {"catalogue", "text_vectors", "item_vectors", "sids", "index", "item_cf"} <= skipped
    assert "generator" not in skipped
    for name in ARRAYS:
        assert (release.path / name).read_bytes() == (unbroken.path / name).read_bytes(), name


def test_the_manifest_says_what_was_done(tiny_release):
    manifest = tiny_release.manifest
    assert manifest.config["split"] == "leave_last_out"
    assert manifest.item_count == 240
    assert manifest.metrics["sids.sid.level0.utilisation"] > 0.9
    assert manifest.metrics["generator.epochs"] >= 1
    assert list(manifest.stages)[-1] == "collection"


def test_the_pure_layout_builds_and_answers(tmp_path):
    config = TINY_BUILD.model_copy(
        update={"sids": TINY_BUILD.sids.model_copy(update={"layout": "pure"}), "sid_source": "fused"}
    )
    release = build_release(_dataset(tmp_path), ReleaseStore(tmp_path), config)
    recommender = Recommender.open(release)
    sids = np.load(release.sids)
    assert len({tuple(s) for s in sids.tolist()}) == 60
    assert len(recommender.recommend([GenerateRequest(history=recommender.catalogue.ids[:3])])[0].items) == 10


def test_a_one_item_catalogue_builds_and_answers(tmp_path):
    catalogue, log = synthetic(n_items=1, n_users=4, seed=0)
    path = write_dataset(tmp_path / "datasets", "one", catalogue, log, source="made up").path
    recommender = Recommender.open(build_release(path, ReleaseStore(tmp_path), TINY_BUILD))
    result = recommender.recommend([GenerateRequest(k=3)])[0]
    assert [i.item_id for i in result.items] == ["i0"]
    assert result.exhausted


def test_nothing_to_learn_from_is_refused(tmp_path):
    with pytest.raises(DataError, match="sidra import"):
        build_release(tmp_path / "nowhere", ReleaseStore(tmp_path), BuildConfig())


@pytest.mark.timeout(60)
def test_two_builds_of_the_same_do_not_collide(tmp_path):
    dataset = _dataset(tmp_path)
    child = _build_in_child(dataset, tmp_path)
    try:
        for line in child.stdout:
            if line.split() == ["generator", "start"]:
                break
        started = time.monotonic()
        with pytest.raises(Exception, match="already running"):
            build_release(dataset, ReleaseStore(tmp_path), TINY_BUILD)
        assert time.monotonic() - started < 10
    finally:
        child.kill()
        child.wait(30)
        child.stdout.close()
