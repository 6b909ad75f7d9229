"""A research set ready for the comparison: split, content vectors, and the users that are tested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.protocol import FitData, SequenceScorer, fit_data, target_rank
from recsys_core.catalog.benchmarks import BENCHMARKS, load_benchmark
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.dataset import load_dataset, write_dataset
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.splits import Split, leakage_check, leave_last_out
from recsys_core.encoders.content import content_vectors
from recsys_core.encoders.text import TextEncoder, TextEncoderConfig
from recsys_core.errors import DataError
from recsys_core.sids.layouts import HybridTokenizer, PureTokenizer

Ints = NDArray[np.int64]

CHUNK = 256
"""Users scored at a time."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What every row of the table is fitted and tested on.

    Attributes:
        name: of the set.
        folder: of the imported data set, for builds.
        catalogue: items.
        log: interactions.
        split: leave-last-out.
        encoder: sentence encoder.
    """

    name: str
    folder: Path
    catalogue: Catalogue
    log: InteractionLog
    split: Split
    encoder: TextEncoder

    @classmethod
    def open(cls, name: str, home: Path, data_dir: Path | None, text: TextEncoderConfig) -> Bench:
        """Import a set into the home folder (or find it there) and split it.

        Args:
            name: a research set, or a data set that was imported before.
            home: Sidra's home.
            data_dir: where research sets are; see :func:`~recsys_core.catalog.benchmarks.benchmark_folder`.
            text: sentence encoder.

        Raises:
            ConfigError: no data folder is named.
            DataError: the set is missing, can't be read, leaks, or gives nobody to test.
        """
        folder = home / "datasets" / name
        if name in BENCHMARKS:
            catalogue, log = load_benchmark(name, data_dir)
            source = BENCHMARKS[name]
            write_dataset(folder.parent, name, catalogue, log, source=source.folder, licence=source.licence)
        catalogue, log, _ = load_dataset(folder)
        split = leave_last_out(log)
        leakage_check(split)
        if not len(split.users):
            raise DataError(
                f"data set {name!r}: nobody has the three interactions that leave-last-out needs (one to learn from, "
                "one for validation, one to test); bring a longer log"
            )
        return cls(name, folder, catalogue, log, split, TextEncoder(text))

    @cached_property
    def content(self) -> NDArray[np.float32]:
        """float32[n_items, d]: sentence vectors, or vectors of tags."""
        return content_vectors(self.catalogue, self.encoder)

    @cached_property
    def data(self) -> FitData:
        """What the baselines are fitted on."""
        return fit_data(self.split, self.content)

    @cached_property
    def pure_sids(self) -> NDArray[np.int32]:
        """int32[n_items, L]: residual k-means codes of the content, for models that read semantic IDs."""
        from recsys_core.generator.prepare import centred

        return PureTokenizer().fit(centred(self.content))

    @cached_property
    def hybrid_sids(self) -> NDArray[np.int32]:
        """int32[n_items, 2]: one residual code and the item's own token."""
        from recsys_core.generator.prepare import centred

        return HybridTokenizer().fit(centred(self.content))

    @cached_property
    def histories(self) -> list[Ints]:
        """Test histories of the tested users: everything before the target."""
        return [self.split.test_history(int(u)) for u in self.split.users]

    @property
    def targets(self) -> Ints:
        """int64[n_users]: test targets."""
        return self.split.test_items

    def chunks(self) -> Iterator[tuple[list[Ints], Ints]]:
        """Test users a chunk at a time."""
        for start in range(0, len(self.targets), CHUNK):
            yield self.histories[start : start + CHUNK], self.targets[start : start + CHUNK]

    def test_ranks(self, scorer: SequenceScorer) -> Ints:
        """Place of each test target from 1: full ranking, history masked, ties by item index.

        A target that the user had before is masked like everything in the history, a sure miss for every model.
        """
        return np.concatenate([places(scorer.scores(h), h, t) for h, t in self.chunks()])


def places(scores: NDArray[np.float32], histories: list[Ints], targets: Ints) -> Ints:
    """Place of each row's target from 1; 0 when it is never proposed or masked."""
    n_items = scores.shape[1]
    ranks = target_rank(scores.copy(), histories, targets)
    return np.where(ranks < n_items, ranks + 1, 0).astype(np.int64)
