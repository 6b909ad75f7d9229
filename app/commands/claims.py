"""`sidra eval claims`: central statements of papers, tested again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.terminal import Bar, JsonFlag, console, say

if TYPE_CHECKING:
    from eval.comparison.run import ComparisonDetail


def register(evaluate: typer.Typer) -> None:
    """Add the command to the group."""
    evaluate.command("claims")(claims)


def claims(
    dataset: Annotated[
        str | None, typer.Option(help="Measure on a research set (scientific, beauty, sports) or an imported data set.")
    ] = None,
    claim: Annotated[list[str] | None, typer.Option("--claim", help="Only this claim; repeat. Default all.")] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Read a report of `sidra eval offline --dataset ... --json`; measure nothing."),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of research sets; default SIDRA_DATA_DIR.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Processor threads.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    json_: JsonFlag = False,
) -> None:
    """Confirmed, not confirmed at this scale, or contradicted: what papers state, measured on one data set.

    Only the rows that the claims need are fitted; rows that an earlier comparison finished are used again.
    """
    from eval.claims.registry import CLAIMS, check_names, flat_figures, table
    from eval.comparison.run import ComparisonDetail
    from eval.figures import Report, make_context

    if (dataset is None) == (source is None):
        raise typer.BadParameter("give --dataset to measure or --from to read a report, one of the two")
    wanted = list(dict.fromkeys(claim or ()))
    check_names(wanted)
    skipped: list[str] = []
    if source is not None:
        detail = _read(source)
        skipped = [] if wanted else [name for name, needs in CLAIMS.items() if not needs.met_by(detail)]
        wanted = wanted or [name for name in CLAIMS if name not in skipped]
    else:
        wanted = wanted or list(CLAIMS)
        report = _measure(str(dataset), wanted, data_dir, home, threads, seed)
        detail = ComparisonDetail.model_validate(report.detail)
    results = [CLAIMS[name].run(detail, seed=seed) for name in wanted]
    for name in skipped:
        say(f"{name}: the report lacks what it needs; left out")
    if json_:
        told = {"claims": [c.model_dump(mode="json") for c in results], "skipped": skipped}
        typer.echo(Report(figures=flat_figures(results), context=make_context(seed=seed), detail=told).to_json())
        return
    console().print(table(results))
    for result in results:
        say(f"{result.name}: {result.verdict}. {result.reason}")


def _measure(dataset: str, names: list[str], data_dir: Path | None, home: Path | None, threads: int, seed: int) -> Any:
    from app.settings import load_settings
    from eval.claims.registry import needed
    from eval.comparison.run import compare
    from recsys_core.encoders.text import TextEncoderConfig

    settings = load_settings(home=home)
    models, ablations, cold = needed(names)
    with Bar() as bar:
        return compare(
            dataset,
            settings.home,
            models=models,
            ablations=ablations,
            cold=cold,
            data_dir=data_dir or settings.data_dir,
            text=TextEncoderConfig(cache_dir=settings.cache_dir / "text"),
            seed=seed,
            threads=threads,
            progress=bar,
        )


def _read(file: Path) -> ComparisonDetail:
    """The comparison in a report on disk.

    Raises:
        DataError: the file can't be read or holds something else.
    """
    from pydantic import ValidationError

    from eval.comparison.run import ComparisonDetail
    from recsys_core.errors import DataError

    advice = "give a file that `sidra eval offline --dataset ... --json` wrote"
    try:
        # figures are left alone: one that isn't finite is null in the file
        detail = json.loads(file.read_text(encoding="utf-8"))["detail"]
        return ComparisonDetail.model_validate(detail)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} can't be read ({error}); {advice}") from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(f"{file} holds no comparison; {advice}") from error
