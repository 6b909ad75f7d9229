"""`sidra eval conversations`: scripts with labels, simulated people, and ReDial's dialogues."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.terminal import Bar, Failed, JsonFlag, console, say

if TYPE_CHECKING:
    from app.settings import Settings
    from eval.conversation_results import Played
    from eval.figures import Progress, Report
    from eval.script import Script
    from eval.simulator.trials import Simulation


def register(group: typer.Typer) -> None:
    """Add the command to `sidra eval`."""
    group.command("conversations")(conversations)


def conversations(
    folder: Annotated[Path | None, typer.Option(help="Folder of scripts; default those of Sidra.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Play only this script; repeat.")] = None,
    scripts: Annotated[bool, typer.Option(help="Play scripts.")] = True,
    repeats: Annotated[int, typer.Option(min=1, max=20, help="Play each so many times; all must pass.")] = 1,
    user: Annotated[str | None, typer.Option(help="A user with a history, for scripts that need one.")] = None,
    users: Annotated[int, typer.Option(min=0, help="Simulated people; 0 leaves them out.")] = 50,
    trials: Annotated[int, typer.Option(min=1, max=100, help="Conversations of each simulated person.")] = 3,
    redial: Annotated[bool, typer.Option(help="Instead: read the messages of ReDial's validation dialogues.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of research sets; default SIDRA_DATA_DIR.")] = None,
    worst: Annotated[int, typer.Option(min=0, help="Misreadings shown.")] = 15,
    llm: Annotated[str | None, typer.Option(help="Language model; of an API started for this.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Play labelled scripts and simulated people: is everything meant understood, kept to, and what is hidden found?

    Scripts go over HTTP to the API at SIDRA_API_URL if that is set, else to one started for the purpose, whose
    conversations are thrown away. Simulated people talk to a recommender in this process.
    """
    from app.settings import load_settings

    settings = load_settings(home=home, llm=llm)
    if redial:
        _redial(settings, data_dir, seed, worst, json_)
        return
    if not scripts and not users:
        raise typer.BadParameter("--no-scripts and --users 0 leave nothing to do")
    from eval.conversation_results import Played
    from eval.conversation_runner import report_of
    from eval.figures import Report, make_context
    from eval.script import SCRIPTS, load_scripts

    played = Played()
    report: Report | None = None
    if scripts:
        chosen = load_scripts(folder or SCRIPTS, tuple(only or ()))
        with Bar(verbose=False) as bar:
            _play(settings, chosen, played, repeats, user, bar)
        report = report_of(played, repeats=repeats, seed=seed)
    found: Simulation | None = None
    if users and settings.api_url:
        say("Simulated people are left out: they need a recommender in this process; unset SIDRA_API_URL for them.")
    elif users:
        say(f"{users} simulated people, {trials} conversations each ...")
        with Bar(verbose=False) as bar:
            release, found = _simulate(settings, users, trials, seed, bar)
        report = report or Report(context=make_context(seed=seed, release=release))
    if report is None:
        raise Failed("nothing was played: play scripts, or unset SIDRA_API_URL for simulated people")
    if found is not None:
        from eval.simulator.figures import simulation_figures

        report.figures |= simulation_figures(found, seed=seed)
        report.detail["simulation"] = found.model_dump(mode="json")
    if json_:
        typer.echo(report.to_json())
    else:
        _tell(report, worst)
    failed = report.figures.get("conversations_failed", 0)
    if failed:
        raise Failed(f"{failed:g} conversations failed; the reasons stand in the detail of --json")


def _play(
    settings: Settings, scripts: Sequence[Script], played: Played, repeats: int, user: str | None, bar: Progress
) -> None:
    """All scripts, against the API of the settings or ones of our own."""
    from app.client import SidraClient
    from eval.conversation_runner import play_scripts
    from eval.faults import FaultyEndpoint
    from eval.scratch import scratch_api

    if settings.api_url:
        with SidraClient(settings.client_url, settings.key) as client:
            play_scripts(client, scripts, played, repeats=repeats, known_user=user, progress=bar)
        return
    faults = [script for script in scripts if any(turn.fault for turn in script.turns)]
    plain = [script for script in scripts if script not in faults]
    kept = {"llm": settings.llm} | ({"llm_replies": str(settings.llm_replies)} if settings.llm_replies else {})
    if plain:
        say("Starting an API for this measurement ...")
        with (
            scratch_api(settings.home, kept, settings.key) as address,
            SidraClient(address, settings.key) as client,
        ):
            play_scripts(client, plain, played, repeats=repeats, known_user=user, forget=True, progress=bar)
    if faults:
        say("Starting an API whose language model fails on demand ...")
        with (
            FaultyEndpoint() as faulty,
            scratch_api(settings.home, faulty.settings, settings.key) as address,
            SidraClient(address, settings.key) as client,
        ):
            play_scripts(
                client, faults, played, repeats=repeats, known_user=user, faulty=faulty, forget=True, progress=bar
            )


def _simulate(settings: Settings, users: int, trials: int, seed: int, bar: Progress) -> tuple[str, Simulation]:
    """Release and simulated conversations."""
    from agents.llm.factory import make_chat_model
    from app.commands.recommend import open_recommender
    from app.runtime import llm_settings
    from eval.simulator.run import simulate

    async def run(recommender: Any) -> Simulation:
        model = make_chat_model(llm_settings(settings))
        try:
            await model.start()
            status = await model.wait_ready(settings.llm_start_s)
            if status.state not in {"ready", "off"}:
                raise Failed(f"the language model is {status.state}: {status.reason}")
            return await simulate(recommender, model, users=users, trials=trials, seed=seed, progress=bar)
        finally:
            await model.aclose()

    recommender = open_recommender(settings)
    try:
        return recommender.release.id, asyncio.run(run(recommender))
    finally:
        recommender.close()


def _redial(settings: Settings, data_dir: Path | None, seed: int, worst: int, json_: bool) -> None:
    """ReDial's messages, read by the rules."""
    from app.commands.recommend import open_recommender
    from eval.redial import evaluate_redial, find_redial

    dialogues = find_redial(data_dir or settings.data_dir)
    recommender = open_recommender(settings)
    try:
        with Bar(verbose=False) as bar:
            report = evaluate_redial(recommender, dialogues, seed=seed, progress=bar)
    finally:
        recommender.close()
    if json_:
        typer.echo(report.to_json())
        return
    _figures(report)
    for kind in ("missed", "wrong", "false"):
        found = [(e["text"], e["what"]) for e in report.detail["examples"] if e["kind"] == kind]
        _rows(("message", kind), found[:worst])


def _tell(report: Report, worst: int) -> None:
    """Figures, what went wrong, and the worst misreadings, for people."""
    from eval.conversation_results import broken_cards, conversation_rows, misreadings

    _figures(report)
    if "conversations" not in report.detail:
        return
    _rows(("script", "", "why"), [row for row in conversation_rows(report) if row[1] != "passed"])
    _rows(("script", "said", "missed", "understood instead"), misreadings(report, worst))
    _rows(("script", "said", "card that breaks what was said"), broken_cards(report)[:worst])


def _figures(report: Report) -> None:
    rows = [(name, f"{value:.4g}") for name, value in report.figures.items() if not name.endswith((".lo", ".hi"))]
    intervals = {
        name: f"[{report.figures[f'{name}.lo']:.3f}, {report.figures[f'{name}.hi']:.3f}]"
        for name, _ in rows
        if f"{name}.lo" in report.figures
    }
    _rows(("figure", "value", "95 % interval"), [(name, value, intervals.get(name, "")) for name, value in rows])


def _rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        return
    table = Table(*names, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(escape(cell[:160]) for cell in row))
    console().print(table)
    console().print()
