"""`sidra tune`: find a faster configuration of a release that keeps its quality; nothing is applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.terminal import JsonFlag, console, emit, say

if TYPE_CHECKING:
    from recsys_core.tuning.history import History, TrialRecord
    from recsys_core.tuning.session import TuneResult


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("tune")(tune)


def tune(
    release: Annotated[str | None, typer.Argument(help="Release to tune; default the current one.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Configurations measured, the present one among them.")] = 30,
    seconds: Annotated[float | None, typer.Option(min=1, help="No trial begins later.")] = None,
    rebuilds: Annotated[int | None, typer.Option(min=0, help="Search graphs that may be built.")] = None,
    floor: Annotated[float, typer.Option(min=0.01, max=2, help="Share of the present quality to keep, proven.")] = 0.95,
    latency_ms: Annotated[float, typer.Option(min=0.1, help="Longest batch.")] = 250.0,
    queries: Annotated[int, typer.Option(min=1, help="Requests of each set of queries at most.")] = 600,
    searches: Annotated[float, typer.Option(min=0, max=0.9, help="Share of item searches in what is asked.")] = 0.2,
    fix: Annotated[list[str] | None, typer.Option(help="Hold a knob: name=value; repeat.")] = None,
    method: Annotated[str, typer.Option(help="sidra, tpe, tpe_constrained, gp, random or grid.")] = "sidra",
    study: Annotated[str | None, typer.Option(help="Name of the study; one that is there goes on.")] = None,
    blocks: Annotated[int, typer.Option(min=0, help="Processor time of each safe trial: pairs of blocks.")] = 2,
    query_seed: Annotated[int, typer.Option(help="Seed of who is asked for.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    llm: Annotated[str, typer.Option(help="Proposes beside the optimiser: embedded, openai, none.")] = "none",
    apply: Annotated[bool, typer.Option("--apply", help="Serve what the study that waits proposes.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Drop what the study that waits proposes.")] = False,
    roll_back: Annotated[bool, typer.Option("--roll-back", help="Serve as before the last --apply.")] = False,
    show: Annotated[bool, typer.Option("--show", help="What is in force, what waits, what happened.")] = False,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Tune how a release is served: as fast as can be while its quality provably stays above a floor.

    A study that was cut off goes on when the same command is given again. What it proposes waits for an answer:
    nothing is served differently before `sidra tune --apply`.
    """
    from typing import get_args

    from app.commands import tune_decisions
    from app.settings import load_settings
    from app.tuning import Search, begin, chat_model, words_path
    from eval.figures import make_context
    from recsys_core.tuning.methods import MethodName
    from recsys_core.tuning.score import Gates
    from recsys_core.tuning.session import TuneConfig
    from recsys_core.tuning.study import Budget
    from recsys_core.tuning.workload import WorkloadConfig

    if method not in get_args(MethodName):
        raise typer.BadParameter(f"--method is one of {', '.join(get_args(MethodName))}, not {method!r}")
    if apply + reject + roll_back + show > 1:
        raise typer.BadParameter("give one of --apply, --reject, --roll-back and --show")
    settings = load_settings(home=home, llm=llm)
    if apply or reject:
        return tune_decisions.apply(settings.home, study, approve=apply, json_=json_)
    if roll_back:
        return tune_decisions.take_back(settings.home, release, json_=json_)
    if show:
        return tune_decisions.show(settings.home, release, json_=json_)
    config = TuneConfig(
        method=method,  # type: ignore[arg-type]
        budget=Budget(trials=trials, seconds=seconds, rebuilds=rebuilds),
        gates=Gates(floor=floor, latency_ms=latency_ms),
        workload=WorkloadConfig(queries=queries, searches=searches, seed=query_seed),
        engine=settings.vector_store,
        fixed=held(fix or []),
        seed=seed,
        study=study,
        blocks=blocks,
    )
    search = Search(settings.home, release, config, chat_model(settings), watch=None if json_ else _line)
    state = begin(settings.home, release, config, search)
    if search.result is None:
        # it has ended before, and perhaps has its answer
        return tune_decisions.again(state, json_=json_)
    result = search.result
    if json_:
        context = make_context(seed=seed, release=result.release).model_dump()
        emit({"figures": result.figures(), "context": context, "detail": result.model_dump(mode="json", by_alias=True)})
        return
    _draw(result)
    for sentence in state["report"]["sentences"]:
        say(f"* {sentence}")
    say(f"Report: {words_path(settings.home, result.study).with_suffix('.md')}")
    if state["where"] == "waiting":
        say(f"Nothing is served differently yet: `sidra tune --apply --study {result.study}`, or --reject.")


def held(words: list[str]) -> dict[str, Any]:
    """Knobs that are held, `name=value` each; numbers become numbers.

    Raises:
        typer.BadParameter: not of that form.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name or not value:
            raise typer.BadParameter(f"--fix is name=value, not {word!r}")
        try:
            found[name] = int(value)
        except ValueError:
            try:
                found[name] = float(value)
            except ValueError:
                found[name] = value
    return found


def _line(record: TrialRecord, history: History) -> None:
    changes = ", ".join(f"{name} {value}" for name, value in record.changes.items()) or "as served now"
    verdict = record.verdict
    told = f"{verdict.score:5.2f} times as fast" if verdict.score else f"refused: {'; '.join(verdict.failed)}"
    if record.no_effect:
        told += f" (no effect of {', '.join(record.no_effect)} against trial {record.same_as})"
    say(f"  {record.number:3d} {record.phase:>9} {record.proposed_by:>6}  {told}  [{changes}]")


def _draw(result: TuneResult) -> None:
    from rich.table import Table

    proposed = result.proposed
    reference = result.outcome.history.trials[0].config
    if result.outcome.advice:
        say(result.outcome.advice)
    if result.outcome.stopped not in {"trials", "seconds"}:
        say(f"Stopped: {result.outcome.stopped}.")
    if not proposed.changes:
        say("Nothing faster was safe: leave everything as it is.")
        return
    table = Table("knob", "now", "proposed", box=None, header_style="bold")
    for name, value in proposed.changes.items():
        table.add_row(name, str(reference[name]), str(value))
    console().print(table)
    rows = {"tune": proposed.tune, "validate": proposed.validate_, "test": proposed.test}
    measured = Table("queries", "throughput", "quality kept", "lower bound", box=None, header_style="bold")
    for name, verdict in rows.items():
        if verdict is not None:
            measured.add_row(name, f"{verdict.speed:.2f} x", f"{verdict.quality:.3f}", f"{verdict.lower:.3f}")
    console().print(measured)
    if proposed.paired is not None:
        paired = proposed.paired
        say(f"Processor time: {paired.ratio:.2f} times as fast [{paired.low:.2f}, {paired.high:.2f}].")
    if result.price_note:
        say(result.price_note)
    for name, changes in result.without_effect.items():
        say(f"No effect: {name}: {', '.join(changes)}")
