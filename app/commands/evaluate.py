"""`sidra eval` and `sidra bench`: measuring what is served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands import (
    claims,
    evaluate_attacks,
    evaluate_calm,
    evaluate_conversations,
    evaluate_next_wish,
    evaluate_profiles,
)
from app.commands.bench_memory import bench_memory
from app.commands.bench_tune import bench_tune
from app.commands.terminal import Bar, JsonFlag, console, say

if TYPE_CHECKING:
    from app.settings import Settings

Home = Annotated[Path | None, typer.Option(help="Folder of releases.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]


def register(cli: typer.Typer) -> None:
    """Add the groups."""
    evaluate = typer.Typer(help="Measure how good the answers are.", no_args_is_help=True)
    evaluate.command("offline")(offline)
    evaluate_conversations.register(evaluate)
    claims.register(evaluate)
    evaluate_next_wish.register(evaluate)
    evaluate_attacks.register(evaluate)
    evaluate_profiles.register(evaluate)
    evaluate_calm.register(evaluate)
    cli.add_typer(evaluate, name="eval")
    bench = typer.Typer(help="Measure how fast the answers are.", no_args_is_help=True)
    bench.command("generate")(bench_generate)
    bench.command("api")(bench_api)
    bench.command("constraint")(bench_constraint)
    bench.command("beams")(bench_beams)
    bench.command("memory")(bench_memory)
    bench.command("tune")(bench_tune)
    cli.add_typer(bench, name="bench")


def offline(
    models: Annotated[
        list[str] | None,
        typer.Option("--model", "--models", help="Models to measure, commas or repeated; `all` is the default."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Fit and compare on a research set (scientific, beauty, sports) or an imported data set."),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of research sets; default SIDRA_DATA_DIR.")] = None,
    ablations: Annotated[bool, typer.Option(help="With --dataset: build and measure every variant, too.")] = False,
    variants: Annotated[
        str | None, typer.Option(help="With --dataset: build and measure these variants, separated by commas.")
    ] = None,
    tasks: Annotated[bool, typer.Option(help="With --dataset: what words change, task by task.")] = False,
    cold: Annotated[bool, typer.Option(help="With --dataset: how items added after training are found.")] = False,
    threads: Annotated[int, typer.Option(min=1, max=64, help="With --dataset: processor threads.")] = 2,
    out: Annotated[Path | None, typer.Option(help="With --dataset: also write the table as Markdown.")] = None,
    users: Annotated[int | None, typer.Option(min=1, help="A random sample of so many users.")] = None,
    split: Annotated[str, typer.Option(help="test, or validation while choosing settings.")] = "test",
    seed: Seed = 0,
    html: Annotated[Path | None, typer.Option(help="Where the page with plots goes.")] = None,
    release: Annotated[str | None, typer.Option(help="Release to measure; default the current one.")] = None,
    home: Home = None,
    json_: JsonFlag = False,
) -> None:
    """Recall, NDCG, MRR and list measures with intervals, for all models in one run; JSON and a page with plots.

    With --dataset every model is fitted anew on that set, settings chosen on validation, and compared in one table.
    """
    wanted = [name for word in models or [] for name in word.split(",") if name and name != "all"]
    if dataset is not None:
        named = [name for name in (variants or "").split(",") if name]
        _compare(dataset, wanted, data_dir, (ablations or named, tasks, cold), out, (seed, threads), home, json_)
        return
    models = wanted
    from app.commands.recommend import open_recommender
    from app.settings import load_settings
    from eval.offline import WITH_LM, evaluate_offline
    from eval.report_html import write_html

    if split not in {"test", "validation"}:
        raise typer.BadParameter("--split is test or validation")
    unknown = set(models or ()) - set(WITH_LM)
    if unknown:
        raise typer.BadParameter(f"--model is one of {', '.join(WITH_LM)}, not {sorted(unknown)[0]!r}")
    # rows are named after families, whatever is served at the moment
    settings = load_settings(home=home, generator="compact")
    recommender = open_recommender(settings, release)
    try:
        language_model = recommender.with_generator("lm") if recommender.release.has_lm else None
        with Bar() as bar:
            report = evaluate_offline(
                recommender,
                tuple(models) or None,
                language_model=language_model,
                seed=seed,
                users=users,
                split=split,  # type: ignore[arg-type]
                progress=bar,
            )
    finally:
        recommender.close()
    page = write_html(report, html or settings.home / "reports" / f"offline-{report.context.release}.html")
    tell(report, json_)
    say(f"Page with plots: {page}")


def _compare(
    dataset: str,
    models: list[str],
    data_dir: Path | None,
    extras: tuple[bool | list[str], bool, bool],
    out: Path | None,
    recipe: tuple[int, int],
    home: Path | None,
    json_: bool,
) -> None:
    """Fit and compare on one set."""
    from app.settings import load_settings
    from eval.comparison.render import markdown, table
    from eval.comparison.run import ALL, compare
    from recsys_core.encoders.text import TextEncoderConfig

    settings = load_settings(home=home)
    with Bar() as bar:
        report = compare(
            dataset,
            settings.home,
            models=models or ALL,
            ablations=extras[0],
            tasks=extras[1],
            cold=extras[2],
            data_dir=data_dir or settings.data_dir,
            text=TextEncoderConfig(cache_dir=settings.cache_dir / "text"),
            seed=recipe[0],
            threads=recipe[1],
            progress=bar,
        )
    if out is not None:
        out.write_text(markdown(report), encoding="utf-8")
        say(f"Table: {out}")
    if json_:
        typer.echo(report.to_json())
    else:
        console().print(table(report))


def bench_generate(
    requests: Annotated[int, typer.Option(min=1, help="Single requests timed.")] = 300,
    batch: Annotated[int, typer.Option(min=1, help="Requests in a batch.")] = 32,
    beam: Annotated[int, typer.Option(min=1, help="Width of the search.")] = 20,
    validity: Annotated[int, typer.Option(min=0, help="Random requests whose every item is checked.")] = 10_000,
    engine: Annotated[
        str,
        typer.Option(help="compact; torch: the language model in process; vllm: on SIDRA_VLLM_URLS."),
    ] = "compact",
    concurrency: Annotated[int, typer.Option(min=0, max=64, help="Callers at once; 0 leaves that out.")] = 16,
    seed: Seed = 0,
    release: Annotated[str | None, typer.Option(help="Release to measure; default the current one.")] = None,
    home: Home = None,
    json_: JsonFlag = False,
) -> None:
    """Latency, throughput, memory and validity of the recommender in this process."""
    from app.commands.recommend import open_recommender
    from app.settings import load_settings
    from eval.bench.generate import bench_generate as measure

    families = {"compact": "compact", "torch": "lm", "vllm": "vllm"}
    if engine not in families:
        raise typer.BadParameter(f"--engine is one of {', '.join(families)}, not {engine!r}")
    recommender = open_recommender(load_settings(home=home, generator=families[engine]), release)
    try:
        with Bar() as bar:
            report = measure(
                recommender,
                requests=requests,
                batch=batch,
                beam=beam,
                validity=validity,
                concurrency=concurrency,
                seed=seed,
                progress=bar,
            )
    finally:
        recommender.close()
    tell(report, json_)


def bench_api(
    llm: Annotated[
        list[str] | None, typer.Option(help="Language model to measure; repeat. Default embedded, none.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each conversation is held.")] = 1,
    user: Annotated[str, typer.Option(help="Who talks.")] = "42",
    seed: Seed = 0,
    home: Home = None,
    json_: JsonFlag = False,
) -> None:
    """Time from a message to the first cards and the first words, over HTTP.

    Measures the API at SIDRA_API_URL if that is set, else one of its own for each language model.
    """
    from app.settings import load_settings
    from eval.bench.api import bench_api as measure

    settings = load_settings(home=home)
    with ExitStack() as stack:
        addresses: dict[str, str]
        if settings.api_url:
            addresses = {settings.llm: settings.client_url}
        else:
            wanted = [load_settings(home=home, llm=name) for name in (llm or ["embedded", "none"])]
            addresses = {each.llm: stack.enter_context(running_api(each)) for each in wanted}
        bar = stack.enter_context(Bar())
        report = measure(addresses, api_key=settings.key, rounds=rounds, user=user, seed=seed, progress=bar)
    tell(report, json_)


def bench_beams(
    users: Annotated[int | None, typer.Option(min=1, help="A random sample of so many users; default all.")] = None,
    requests: Annotated[int, typer.Option(min=1, help="Single requests timed for each way.")] = 100,
    train_epochs: Annotated[
        int, typer.Option(min=0, help="Train the ordinary and the lazy decoder for so long, or take those kept; 0: no.")
    ] = 0,
    concurrency: Annotated[int, typer.Option(min=0, help="Threads that ask at once; 0 leaves that out.")] = 16,
    seed: Seed = 0,
    release: Annotated[str | None, typer.Option(help="Release to measure; default the current one.")] = None,
    home: Home = None,
    json_: JsonFlag = False,
) -> None:
    """Narrow, growing and exact search, the lazy decoder, joined calls: what each loses and gains, with intervals."""
    from app.commands.recommend import open_recommender
    from app.settings import load_settings
    from eval.bench.beams import bench_beams as measure

    settings = load_settings(home=home)
    recommender = open_recommender(settings, release)
    try:
        with Bar() as bar:
            report = measure(
                recommender,
                settings.home,
                users=users,
                requests=requests,
                epochs=train_epochs,
                concurrency=concurrency,
                seed=seed,
                progress=bar,
            )
    finally:
        recommender.close()
    if json_:
        typer.echo(report.to_json())
        return
    from eval.bench.beams_table import beams_table

    console().print(beams_table(report))
    for name, value in report.figures.items():
        if ".c" in name:
            say(f"{name} {value:g}")


def bench_constraint(
    items: Annotated[str, typer.Option(help="Sizes of the catalogues, with commas.")] = "1e5,1e6",
    levels: Annotated[int, typer.Option(min=1, max=32, help="Length of a semantic ID.")] = 8,
    vocab: Annotated[int, typer.Option(min=1, help="Tokens a level.")] = 2048,
    beams: Annotated[int, typer.Option(min=1, help="States of a step.")] = 140,
    codes: Annotated[str, typer.Option(help="How tokens are drawn: uniform, zipf, or both with a comma.")] = (
        "uniform,zipf"
    ),
    methods: Annotated[str, typer.Option(help="Which methods, with commas; all when left out.")] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Timings of each method and level.")] = 40,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    clock: Annotated[
        str, typer.Option(help="wall, or cpu: processor time of one thread, for a machine with other work.")
    ] = "wall",
    threads: Annotated[int, typer.Option(min=1, max=64, help="Processor threads of torch.")] = 1,
    plot: Annotated[Path | None, typer.Option(help="Where a page with plots goes.")] = None,
    seed: Seed = 0,
    json_: JsonFlag = False,
) -> None:
    """What masking to existing and allowed semantic IDs costs, beside other ways of doing it, on random catalogues."""
    from eval.bench.constraint.config import METHODS, BenchConfig
    from eval.bench.constraint.measure import bench_constraint as measure
    from eval.bench.constraint.plot import write_plot
    from eval.bench.constraint.table import step_tables

    if device not in ("cpu", "cuda"):
        raise typer.BadParameter(f"--device is cpu or cuda, not {device!r}")
    if clock not in ("wall", "cpu"):
        raise typer.BadParameter(f"--clock is wall or cpu, not {clock!r}")
    if clock == "cpu" and (threads > 1 or device != "cpu"):
        raise typer.BadParameter("--clock cpu is the time of one thread: leave --threads and --device out")
    try:
        sizes = tuple(int(float(word)) for word in items.split(","))
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"--items is whole numbers with commas, such as 1e5,1e6; not {items!r}") from error
    if min(sizes) < 1:
        raise typer.BadParameter("--items are at least 1")
    config = BenchConfig(
        items=sizes,
        levels=levels,
        vocab=vocab,
        beams=beams,
        codes=tuple(codes.split(",")),
        methods=tuple(methods.split(",")) if methods else METHODS,
        rounds=rounds,
        device="cuda" if device == "cuda" else "cpu",
        clock="cpu" if clock == "cpu" else "wall",
        threads=threads,
        seed=seed,
    )
    with Bar() as bar:
        report = measure(config, progress=bar)
    tell(report, json_)
    if not json_:
        for table in step_tables(report):
            console().print(table)
        for name, why in report.detail["left_out"].items():
            say(f"Left out: {name}: {why}")
    if plot is not None:
        say(f"Page with plots: {write_plot(report, plot)}")


@contextmanager
def running_api(settings: Settings) -> Iterator[str]:
    """The address of the API in the settings, or of one that runs for as long as this is open."""
    if settings.api_url:
        yield settings.client_url
        return
    from eval.server import api_server

    say("Starting an API for this measurement ...")
    with api_server({"home": str(settings.home), "llm": settings.llm}, api_key=settings.key) as address:
        yield address


def tell(report: Any, json_: bool) -> None:
    """A report's figures as a table, or all of it as JSON."""
    if json_:
        typer.echo(report.to_json())
        return
    from rich.table import Table

    table = Table("figure", "value", box=None, header_style="bold")
    table.columns[1].justify = "right"
    for name, value in report.figures.items():
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) and not value.is_integer() else f"{value:g}")
    console().print(table)
