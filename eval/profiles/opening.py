"""The data that profiles are measured on: a release, or a data set with a release built of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.comparison.bench import Bench
from eval.comparison.contenders import Contenders
from eval.comparison.run import seeded, use_threads
from eval.figures import Progress
from eval.offline import check_held_out
from eval.profiles.run import World
from recsys_core.catalog.splits import leakage_check, leave_last_out
from recsys_core.encoders.text import TextEncoder, TextEncoderConfig
from recsys_core.releases.build import BuildConfig
from recsys_core.serving.recommender import Recommender


def of_release(recommender: Any, text: TextEncoderConfig, *, recommend: bool = True) -> World:
    """The log and catalogue of an open release.

    Args:
        recommender: open; whoever opened it closes it.
        text: sentence encoder of the judge.
        recommend: whether it is measured downstream as well.

    Raises:
        ReleaseError: its models may have seen the held-out items.
        DataError: the split leaks.
    """
    split = leave_last_out(recommender.log)
    leakage_check(split)
    check_held_out(recommender.release, split, len(recommender.catalogue))
    return World(
        dataset=str(recommender.release.manifest.dataset.get("name", "")),
        catalogue=recommender.catalogue,
        log=recommender.log,
        split=split,
        encoder=TextEncoder(text),
        recommender=recommender if recommend else None,
        release=recommender.release.id,
    )


def of_dataset(
    name: str,
    home: Path,
    data_dir: Path | None,
    text: TextEncoderConfig,
    *,
    recommend: bool = True,
    config: BuildConfig | None = None,
    seed: int = 0,
    threads: int = 2,
    progress: Progress | None = None,
) -> World:
    """A research set, or one that was imported before; with a release of it, built or found, when recommending.

    Args:
        name: such as ``scientific``.
        home: Sidra's home.
        data_dir: where research sets are.
        text: sentence encoder.
        recommend: whether a release is built for the downstream part; the caller closes its recommender.
        config: of the build; chosen by the size of the data when None. A release that the comparison of models built
            under the same configuration is used again.
        seed: of the build.
        threads: of the build.
        progress: told how far it is.

    Raises:
        ConfigError: no data folder is named.
        DataError: the set is missing or can't be read.
    """
    bench = Bench.open(name, home, data_dir, text)
    recommender: Recommender | None = None
    if recommend:
        use_threads(threads)
        built, _ = Contenders(bench, home, seed, progress, threads).release(
            seeded(config or BuildConfig(), bench, seed, threads)
        )
        recommender = Recommender.open(built, threads=threads, text_config=text)
    return World(
        dataset=name,
        catalogue=bench.catalogue,
        log=bench.log,
        split=bench.split,
        encoder=bench.encoder,
        recommender=recommender,
        release=recommender.release.id if recommender is not None else "",
    )
