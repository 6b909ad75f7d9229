"""What every test shares: no way to the network or to a model by accident, and one small release built for real."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line sets it

for _contract in (
    "chat_model",
    "constraint_index",
    "generator_family",
    "masker",
    "prefix_masker",
    "sequence_scorer",
    "tokenizer",
    "vector_store",
):
    pytest.register_assert_rewrite(f"tests.contracts.{_contract}")

from recsys_core.catalog.dataset import write_dataset
from recsys_core.catalog.synth import synthetic
from recsys_core.generator.config import CompactConfig, TrainConfig
from recsys_core.generator.lm.config import LmBuild, LmConfig, LmTrainConfig
from recsys_core.releases.build import BuildConfig, build_release
from recsys_core.releases.release import Release
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.recommender import Recommender


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine may be reached: a test that would download something fails instead."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])  # type: ignore[index]
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                raise OSError(f"a test tried to reach {host}; tests run without network")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_model_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches a language model unless it opts in."""
    from agents.llm import guard

    monkeypatch.setattr(guard, "ALLOW_MODEL_REQUESTS", False)


SLOW_FIRST = ("test_real_vllm", "test_page", "test_conversations_command", "test_attacks")
"""Beginnings of files that take long: begun first, so that no worker is left with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first, in this order; the order inside a file stays."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem
        return next((n for n, slow in enumerate(SLOW_FIRST) if name.startswith(slow)), len(SLOW_FIRST))

    items.sort(key=place)


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """A home folder of this process's own that was built once for all workers of a run.

    Args:
        factory: of this process.
        name: of the folder.
        build: fills an empty home folder.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        home = factory.mktemp(name)
        build(home)
        return home
    # each worker has a folder below one that all of them share
    shared = factory.getbasetemp().parent / name
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            home = factory.mktemp(f"{name}-built")
            build(home)
            shutil.copytree(home, shared, symlinks=True)
    own = factory.getbasetemp() / name
    shutil.copytree(shared, own, symlinks=True)
    return own


TINY_BUILD = BuildConfig(
    model=CompactConfig(width=32, wish_width=16, window=12, dropout=0.1),
    train=TrainConfig(epochs=20, patience=20, learning_rate=1e-2, batch_positions=256, grounding_batch=16, threads=1),
)
"""A build of seconds; its rankings mean something, but not much."""


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with the synthetic data set imported and built by the real pipeline."""

    def build(home: Path) -> None:
        catalogue, log = synthetic(n_items=240, n_users=200, seed=1)
        report = write_dataset(home / "datasets", "synthetic", catalogue, log, source="made up")
        build_release(report.path, ReleaseStore(home), TINY_BUILD)

    return built_once(tmp_path_factory, "home", build)


@pytest.fixture(scope="session")
def tiny_release(tiny_home: Path) -> Release:
    """The release in ``tiny_home``."""
    return ReleaseStore(tiny_home).open()


@pytest.fixture(scope="session")
def tiny_recommender(tiny_release: Release) -> Recommender:
    """The release, opened with the exact vector store."""
    return Recommender.open(tiny_release, threads=1)


TINY_LM_BUILD = TINY_BUILD.model_copy(
    update={
        "train": TINY_BUILD.train.model_copy(update={"epochs": 6, "patience": 6, "meaning_steps": 200}),
        "lm": LmBuild(
            # one head: vLLM serves heads of 32 and more
            model=LmConfig(width=32, heads=1, feed_forward=64, text_tokens=600, text_limit=12, window=12, dropout=0.1),
            train=LmTrainConfig(
                epochs=6, learning_rate=1e-2, batch_positions=256, row_tokens=64, validate_users=60, threads=1
            ),
        ),
    }
)
"""A build of seconds with a language model."""


@pytest.fixture(scope="session")
def tiny_lm_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder whose release holds a language model."""

    def build(home: Path) -> None:
        catalogue, log = synthetic(n_items=120, n_users=120, seed=1)
        report = write_dataset(home / "datasets", "synthetic", catalogue, log, source="made up")
        build_release(report.path, ReleaseStore(home), TINY_LM_BUILD)

    return built_once(tmp_path_factory, "home-lm", build)


@pytest.fixture(scope="session")
def tiny_lm_release(tiny_lm_home: Path) -> Release:
    """The release in ``tiny_lm_home``."""
    return ReleaseStore(tiny_lm_home).open()


@pytest.fixture(scope="session")
def tiny_lm_recommender(tiny_lm_release: Release) -> Recommender:
    """That release, answered by its language model."""
    return Recommender.open(tiny_lm_release, threads=1, generator="lm")
