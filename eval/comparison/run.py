"""Fits and measures all that is asked for, keeps finished rows so that a killed run goes on, and makes the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eval.comparison.ablations import ABLATIONS
from eval.comparison.bench import Bench
from eval.comparison.contenders import BASELINES, BEAM, SERVED, Contenders
from eval.comparison.entry import Entry
from eval.figures import Progress, Report, git_commit, make_context
from eval.offline import paired_differences
from recsys_core.durable import digest, write_json
from recsys_core.encoders.text import TextEncoderConfig
from recsys_core.errors import ConfigError
from recsys_core.generator.config import TrainConfig, recipe
from recsys_core.metrics import Interval
from recsys_core.releases.build import BuildConfig

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
    differences: dict[str, Interval] = Field(default_factory=dict)
    """First row minus each other, same users resampled together: ``recall@10.sidra-item_cf`` ..."""


def compare(
    dataset: str,
    home: Path,
    *,
    models: Sequence[str] = ALL,
    ablations: bool = False,
    data_dir: Path | None = None,
    text: TextEncoderConfig | None = None,
    config: BuildConfig | None = None,
    seed: int = 0,
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure recommenders side by side.

    Args:
        dataset: a research set, or one that was imported into the home folder.
        home: Sidra's home; releases and finished rows go there.
        models: names of :data:`ALL`.
        ablations: also build and measure every variant of :data:`~eval.comparison.ablations.ABLATIONS`.
        data_dir: where research sets are.
        text: sentence encoder.
        config: of the release that is compared; chosen by the size of the data when None.
        seed: of everything random.
        command: for the context.
        progress: told how far the work is.

    Raises:
        ConfigError: no such model, or no data folder is named.
        DataError: the data can't be read or leaks.
    """
    unknown = set(models) - set(ALL)
    if unknown or not models:
        raise ConfigError(f"--models is `all` or names among {', '.join(ALL)}, not {', '.join(sorted(unknown)) or '-'}")
    bench = Bench.open(dataset, home, data_dir, text or TextEncoderConfig())
    contenders = Contenders(bench, home, seed, progress)
    # rows of another commit may come from other code: they are not taken up
    kept = _Kept(home / "comparison" / dataset / "rows", digest(git_commit(), seed, bench.log.items.tolist()))
    base = seeded(config or BuildConfig(), bench, seed)
    entries: dict[str, Entry] = {}
    served = tuple(m for m in models if m in SERVED)
    if served and any(kept.get(m) is None for m in served):
        release, cost = contenders.release(base)
        for entry in contenders.served(release, cost, served):
            kept.put(entry)
    for model in models:
        known = kept.get(model)
        if known is None:
            known = contenders.baseline(model)
            kept.put(known)
        entries[model] = known
    if ablations:
        for name, variant in ABLATIONS.items():
            known = kept.get(name)
            if known is None:
                release, cost = contenders.release(variant(base), name)
                (entry,) = contenders.served(release, cost, ("generator",))
                known = entry.model_copy(update={"model": name})
                kept.put(known)
            entries[name] = known
    return _report(bench, list(entries.values()), seed, command)


def seeded(config: BuildConfig, bench: Bench, seed: int) -> BuildConfig:
    """The configuration with the generator's recipe filled in and under a seed."""
    model, train = recipe(len(bench.split.train_items), bench.log.n_users)
    settings = (config.train or train).model_copy(update={"seed": seed})
    return config.model_copy(
        update={
            "model": config.model or model,
            "train": TrainConfig.model_validate(settings.model_dump()),
            "text": bench.encoder.config,
        }
    )


def _report(bench: Bench, entries: list[Entry], seed: int, command: str | None) -> Report:
    per_user = {e.model: e.per_user() for e in entries}
    detail = ComparisonDetail(
        dataset=bench.name,
        users=len(bench.targets),
        items=len(bench.catalogue),
        interactions=len(bench.log),
        entries=entries,
        differences=paired_differences(per_user, seed, 2_000) if len(entries) > 1 else {},
    )
    return Report(
        figures=figures(detail),
        context=make_context(seed=seed, release="", command=command),
        detail=detail.model_dump(mode="json"),
    )


def figures(detail: ComparisonDetail) -> dict[str, float]:
    """``recall@10.MODEL`` with ``.lo`` and ``.hi``, ``parameters.MODEL``, ``cpu_seconds.MODEL``, differences."""
    flat: dict[str, float] = {"users": detail.users, "items": detail.items}
    for entry in detail.entries:
        for name, interval in entry.measures.items():
            key = f"{name}.{entry.model}"
            flat |= {key: interval.value, f"{key}.lo": interval.low, f"{key}.hi": interval.high}
        flat |= {f"parameters.{entry.model}": entry.parameters, f"cpu_seconds.{entry.model}": entry.cpu_seconds}
    for name, interval in detail.differences.items():
        flat |= {name: interval.value, f"{name}.lo": interval.low, f"{name}.hi": interval.high}
    return flat


class _Kept:
    """Finished rows on disk."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / key[:16]

    def get(self, model: str) -> Entry | None:
        try:
            stored: Any = json.loads((self.folder / f"{model}.json").read_text(encoding="utf-8"))
            return Entry.model_validate(stored)
        except (FileNotFoundError, ValueError, ValidationError):
            return None  # never finished, or damaged: fitted again

    def put(self, entry: Entry) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / f"{entry.model}.json", entry.model_dump(mode="json"))
