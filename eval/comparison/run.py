"""Fits and measures all that is asked for, and makes the report."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from eval.cold_items import ColdItemsConfig, ColdReport, cold_items
from eval.comparison.ablations import ABLATIONS
from eval.comparison.bench import Bench
from eval.comparison.contenders import BASELINES, BEAM, SERVED, Contenders
from eval.comparison.entry import Entry
from eval.comparison.kept import KeptRows
from eval.comparison.tasks import TaskResult, measure_tasks
from eval.comparison.tasks import figures as task_figures
from eval.figures import Progress, Report, make_context
from eval.offline import paired_differences
from recsys_core.durable import digest
from recsys_core.encoders.text import TextEncoderConfig
from recsys_core.errors import ConfigError
from recsys_core.generator.config import TrainConfig, recipe
from recsys_core.metrics import Interval
from recsys_core.releases.build import BuildConfig
from recsys_core.releases.release import Release

VARIED = "generator"
"""Row that variants are held against."""

ALL = (*SERVED, *BASELINES)
"""Rows of ``--models all``."""


class ComparisonDetail(BaseModel):
    """The table."""

    model_config = ConfigDict(extra="forbid")

    dataset: str
    """Name of the set."""
    users: int
    """Users tested."""
    items: int
    """Candidates, before a user's history is masked."""
    interactions: int
    """Interactions in the log."""
    beam: int = BEAM
    """Beam of generated lists."""
    entries: list[Entry]
    """Rows in the order asked for."""
    variants: list[str] = Field(default_factory=list)
    """Rows that are the generator alone with one thing changed."""
    differences: dict[str, Interval] = Field(default_factory=dict)
    """First row minus each other, same users resampled together: ``recall@10.sidra-item_cf`` ...; variants are held
    against the row ``generator``."""
    tasks: dict[str, TaskResult] = Field(default_factory=dict)
    """What words change, by task; empty unless asked for."""
    cold: ColdReport | None = None
    """How items are found that came after training; None unless asked for."""


def compare(
    dataset: str,
    home: Path,
    *,
    models: Sequence[str] = ALL,
    ablations: bool | Sequence[str] = False,
    tasks: bool = False,
    cold: bool = False,
    data_dir: Path | None = None,
    text: TextEncoderConfig | None = None,
    config: BuildConfig | None = None,
    seed: int = 0,
    threads: int = 2,
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure recommenders side by side.

    Args:
        dataset: a research set, or one that was imported into the home folder.
        home: Sidra's home; releases and finished rows go there.
        models: names of :data:`ALL`.
        ablations: also build and measure variants of :data:`~eval.comparison.ablations.ABLATIONS`: all, or those named.
        tasks: also measure what words change, task by task.
        cold: also withhold items, train without them, and measure how they are found when added.
        data_dir: where research sets are.
        text: sentence encoder.
        config: of the release that is compared; chosen by the size of the data when None.
        seed: of everything random.
        threads: processor threads of everything that is trained; sums in another order round differently.
        command: for the context.
        progress: told how far the work is.

    Raises:
        ConfigError: no such model, or no data folder is named.
        DataError: the data can't be read or leaks.
    """
    unknown = set(models) - set(ALL)
    if unknown or not models:
        raise ConfigError(f"--models is `all` or names among {', '.join(ALL)}, not {', '.join(sorted(unknown)) or '-'}")
    variants = _variants(ablations)
    if variants and VARIED not in models:
        raise ConfigError(f"variants are held against the row `{VARIED}`; add it to --models")
    bench = Bench.open(dataset, home, data_dir, text or TextEncoderConfig())
    contenders = Contenders(bench, home, seed, progress, threads)
    kept = KeptRows(home / "comparison" / dataset / "rows", digest(seed, threads, bench.log.items.tolist()))
    base = seeded(config or BuildConfig(), bench, seed, threads)
    use_threads(threads)
    entries: dict[str, Entry] = {}
    served = tuple(m for m in models if m in SERVED)
    if tasks or any(kept.get(m) is None for m in served):
        release, cost = contenders.release(base)
        for entry in contenders.served(release, cost, served):
            kept.put(entry)
    for model in models:
        known = kept.get(model)
        if known is None:
            known = contenders.baseline(model)
            kept.put(known)
        entries[model] = known
    for name in variants:
        known = kept.get(name)
        if known is None:
            built, cost = contenders.release(ABLATIONS[name](base), name)
            (entry,) = contenders.served(built, cost, ("generator",))
            known = entry.model_copy(update={"model": name})
            kept.put(known)
        entries[name] = known
    detail = ComparisonDetail(
        dataset=bench.name,
        users=len(bench.targets),
        items=len(bench.catalogue),
        interactions=len(bench.log),
        entries=list(entries.values()),
        differences=_differences([e for e in entries.values() if e.model not in variants], seed)
        | _differences([e for e in entries.values() if e.model in {VARIED, *variants}], seed),
        variants=list(variants),
    )
    if tasks:
        detail.tasks = _tasks(bench, contenders, release, seed, progress)
    if cold:
        detail.cold = _cold(bench, base, seed, progress)
    return Report(
        figures=figures(detail),
        context=make_context(seed=seed, release="", command=command),
        detail=detail.model_dump(mode="json"),
    )


def _variants(ablations: bool | Sequence[str]) -> tuple[str, ...]:
    """Names of the variants that are asked for."""
    names = tuple(ABLATIONS) if ablations is True else tuple(ablations or ())
    unknown = set(names) - set(ABLATIONS)
    if unknown:
        raise ConfigError(f"there is no variant {min(unknown)!r}; choose among {', '.join(ABLATIONS)}")
    return names


def _tasks(
    bench: Bench, contenders: Contenders, release: Release, seed: int, progress: Progress | None
) -> dict[str, TaskResult]:
    from recsys_core.serving.recommender import Recommender

    sasrec = contenders.fitted("sasrec").scorer
    recommender = Recommender.open(release, threads=contenders.threads, text_config=bench.encoder.config)
    try:
        return measure_tasks(bench, recommender, sasrec, seed=seed, progress=progress)
    finally:
        recommender.close()


def _cold(bench: Bench, base: BuildConfig, seed: int, progress: Progress | None) -> ColdReport:
    from eval.cold_training import compact_trainer
    from recsys_core.generator.train import EpochReport

    def tell(layout: str, epoch: EpochReport) -> None:
        if progress:
            progress(f"cold items, {layout}: validation NDCG@10 {epoch.ndcg:.4f}", epoch.epoch, epoch.epochs)

    missing = max(0, bench.encoder.dimensions - bench.content.shape[1])
    content = np.pad(bench.content, ((0, 0), (0, missing)))
    with tempfile.TemporaryDirectory() as scratch:
        train = compact_trainer(
            bench.catalogue,
            bench.encoder.encode_texts,
            Path(scratch),
            shape=base.model,
            settings=base.train,
            tell=tell,
        )
        return cold_items(bench.split, content, train, ColdItemsConfig(seed=seed))


def _differences(entries: Sequence[Entry], seed: int) -> dict[str, Interval]:
    return paired_differences({e.model: e.per_user() for e in entries}, seed, 2_000) if len(entries) > 1 else {}


def use_threads(threads: int) -> None:
    """Let torch use so many processor threads."""
    import torch

    torch.set_num_threads(threads)


def seeded(config: BuildConfig, bench: Bench, seed: int, threads: int = 2) -> BuildConfig:
    """The configuration with the generator's recipe filled in, under a seed."""
    model, train = recipe(len(bench.split.train_items), bench.log.n_users)
    settings = (config.train or train).model_copy(update={"seed": seed, "threads": threads})
    return config.model_copy(
        update={
            "model": config.model or model,
            "train": TrainConfig.model_validate(settings.model_dump()),
            "text": bench.encoder.config,
        }
    )


def figures(detail: ComparisonDetail) -> dict[str, float]:
    """``recall@10.MODEL`` with ``.lo`` and ``.hi``, ``parameters.MODEL``, ``cpu_seconds.MODEL``, differences."""
    flat: dict[str, float] = {"users": detail.users, "items": detail.items}
    for entry in detail.entries:
        for name, interval in entry.measures.items():
            key = f"{name}.{entry.model}"
            flat |= {key: interval.value, f"{key}.lo": interval.low, f"{key}.hi": interval.high}
        flat |= {f"parameters.{entry.model}": entry.parameters, f"cpu_seconds.{entry.model}": entry.cpu_seconds}
    flat |= task_figures(detail.tasks)
    if detail.cold is not None:
        flat |= detail.cold.figures()
    for name, interval in detail.differences.items():
        flat |= {name: interval.value, f"{name}.lo": interval.low, f"{name}.hi": interval.high}
    return flat
