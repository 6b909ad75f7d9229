"""`sidra bench tune`: ways to tune a release, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.terminal import Bar, JsonFlag


def bench_tune(
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each method.")] = 8,
    trials: Annotated[int, typer.Option(min=2, help="Trials of each run, the present configuration among them.")] = 30,
    methods: Annotated[str, typer.Option(help="Which, with commas; all when left out.")] = "",
    floor: Annotated[float, typer.Option(min=0.01, max=2, help="Share of the present quality to keep.")] = 0.95,
    queries: Annotated[int, typer.Option(min=1, help="Requests of each set of queries at most.")] = 600,
    release: Annotated[str | None, typer.Option(help="Release to tune; default the current one.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Ours, Optuna's TPE and Gaussian process, random and grid search, and ours with parts left out, in one table.

    Measurements are kept: a run that was cut off begins with what it had.
    """
    from typing import cast, get_args

    from app.commands.evaluate import tell
    from app.settings import load_settings
    from eval.bench.tune import bench_tune as measure
    from recsys_core.releases.store import ReleaseStore
    from recsys_core.tuning.methods import ABLATIONS, MAIN, MethodName
    from recsys_core.tuning.score import Gates
    from recsys_core.tuning.served_system import ServedSource
    from recsys_core.tuning.session import study_folder
    from recsys_core.tuning.worker import Worker
    from recsys_core.tuning.workload import WorkloadConfig

    named = [name for name in methods.split(",") if name] or [*MAIN, "tpe_constrained", *ABLATIONS]
    unknown = [name for name in named if name not in get_args(MethodName)]
    if unknown:
        raise typer.BadParameter(f"--methods are of {', '.join(get_args(MethodName))}, not {unknown[0]!r}")
    settings = load_settings(home=home)
    opened = ReleaseStore(settings.home).open(release)
    folder = study_folder(settings.home)
    source = ServedSource(opened.path, folder / "scratch", WorkloadConfig(queries=queries), settings.vector_store)
    with Bar() as bar, Worker(source) as worker:
        report = measure(
            worker,
            folder / "measured",
            methods=[cast(MethodName, name) for name in named],
            seeds=seeds,
            trials=trials,
            gates=Gates(floor=floor),
            release=opened.id,
            progress=bar,
        )
    tell(report, json_)
