"""A build with a language model: in the release, in the manifest, resumed after a kill, left out when it can't stay."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from recsys_core.catalog.dataset import write_dataset
from recsys_core.catalog.synth import synthetic
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.durable import sha256_file
from recsys_core.generator.lm.generator import LmGenerator
from recsys_core.releases.build import build_release
from recsys_core.releases.extend import extend_release
from recsys_core.releases.store import ReleaseStore
from tests.conftest import TINY_LM_BUILD

QUICK = TINY_LM_BUILD.model_copy(
    update={
        "train": TINY_LM_BUILD.train.model_copy(update={"epochs": 2, "meaning_steps": 20}),
        "lm": TINY_LM_BUILD.lm.model_copy(update={"train": TINY_LM_BUILD.lm.train.model_copy(update={"epochs": 4})}),
    }
)


def _dataset(home):
    catalogue, log = synthetic(n_items=60, n_users=60, seed=5)
    return write_dataset(home / "datasets", "synthetic", catalogue, log, source="made up").path


def _build_in_child(dataset, home):
    code = (
        "from pathlib import Path\n"
        "from recsys_core.releases.build import build_release\n"
        "from recsys_core.releases.store import ReleaseStore\n"
        "from tests.recsys_core.releases.test_language_model import QUICK\n"
        "def tell(e): print(e.stage, e.kind, flush=True)\n"
        f"build_release(Path({str(dataset)!r}), ReleaseStore(Path({str(home)!r})), QUICK, tell)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}
    )


def test_killed_while_the_language_model_trains_it_goes_on_and_ends_with_the_same_bytes(tmp_path):
    dataset = _dataset(tmp_path)
    unbroken = build_release(dataset, ReleaseStore(tmp_path / "unbroken"), QUICK)
    child = _build_in_child(dataset, tmp_path / "killed")
    epochs = 0
    for line in child.stdout:
        epochs += line.split() == ["lm", "progress"]
        if epochs == 2:
            child.send_signal(signal.SIGKILL)
            break
    child.wait(30)
    child.stdout.close()
    store = ReleaseStore(tmp_path / "killed")
    assert store.current_id() is None, "a killed build must not leave a release"
    events = []
    release = build_release(dataset, store, QUICK, events.append)
    skipped = {e.stage for e in events if e.kind == "skipped"}
    assert {"generator", "serving", "collection"} <= skipped
    assert "lm" not in skipped
    trained = [e.detail for e in events if (e.stage, e.kind) == ("lm", "progress")]
    assert 0 < len(trained) <= 2, "the epochs before the kill are not trained again"
    for name in ("lm/model.safetensors", "lm/tokenizer.json", "lm/sidra_lm.json", "serving_lm.json"):
        assert (release.path / name).read_bytes() == (unbroken.path / name).read_bytes(), name


def test_the_manifest_holds_the_language_model_with_hashes(tiny_lm_release):
    manifest = tiny_lm_release.manifest
    assert list(manifest.stages)[-2:] == ["lm", "serving_lm"]
    for name, expected in manifest.stages["lm"].outputs.items():
        assert sha256_file(tiny_lm_release.path / name) == expected
    assert "lm/model.safetensors" in manifest.stages["lm"].outputs
    assert manifest.metrics["lm.epochs"] == 6
    assert manifest.config["lm"]["model"]["width"] == 32
    assert tiny_lm_release.has_lm


def test_without_being_asked_for_there_is_none(tiny_release):
    assert not tiny_release.has_lm
    assert not tiny_release.lm.exists()
    assert "lm" not in tiny_release.manifest.config


def test_what_is_saved_is_an_ordinary_causal_model(tiny_lm_release):
    causal = AutoModelForCausalLM.from_pretrained(tiny_lm_release.lm, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm_release.lm, local_files_only=True)
    generator = LmGenerator.load(tiny_lm_release.lm, ConstraintIndex.load(tiny_lm_release.index))
    layout = generator.vocabulary.layout
    assert causal.config.vocab_size == len(tokenizer) == layout.size
    prompt = layout.prompt(generator.vocabulary.encode(["a comedy"])[0], np.array([3, 5]))
    with torch.no_grad():
        logits = causal(torch.tensor([prompt])).logits[0, -1]
    first = logits[layout.first(0) : layout.first(0) + layout.code_sizes[0]].log_softmax(0)
    scores = generator.scores([np.array([3, 5])], ["a comedy"])[0]
    codes = np.load(tiny_lm_release.sids)[:, 0]
    by_code = [float(np.exp(scores[codes == code]).sum()) for code in range(layout.code_sizes[0])]
    np.testing.assert_allclose(by_code, first.exp().numpy(), atol=1e-4)


def test_added_items_leave_the_language_model_out_and_say_so(tiny_lm_home, tmp_path):
    shutil.copytree(tiny_lm_home / "releases", tmp_path / "releases")
    pl.DataFrame({"id": ["n1"], "title": ["The Lighthouse Ledger"]}).write_csv(tmp_path / "new.csv")
    release = extend_release(ReleaseStore(tmp_path), tmp_path / "new.csv")
    assert not release.has_lm
    assert not release.lm.exists()
    assert release.manifest.config["extension"]["left_out"] == ["lm"]
    assert "lm" not in release.manifest.config
    assert not [name for name in release.manifest.metrics if name.startswith(("lm.", "serving_lm."))]


def test_a_language_model_is_added_to_what_a_release_has_finished(tmp_path):
    dataset, store = _dataset(tmp_path), ReleaseStore(tmp_path)
    without = build_release(dataset, store, QUICK.model_copy(update={"lm": None}))
    events = []
    release = build_release(dataset, store, QUICK, events.append, reuse=True)
    assert {e.stage for e in events if e.kind == "skipped"} == set(without.manifest.stages)
    assert release.has_lm
    assert release.id != without.id
    for name in without.manifest.stages["generator"].outputs:
        assert (release.path / name).read_bytes() == (without.path / name).read_bytes()
    # the other way round nothing of the language model stays behind
    (release.path / "sids.npy").write_bytes(b"damaged")
    again, events = QUICK.model_copy(update={"lm": None}), []
    plain = build_release(dataset, store, again, events.append, reuse=True)
    assert not plain.lm.exists()
    assert not plain.has_lm
    redone = {e.stage for e in events if e.kind == "done"}
    assert "sids" in redone, "a damaged part is not taken over"
    assert (plain.path / "sids.npy").read_bytes() == (without.path / "sids.npy").read_bytes()
