"""`sidra doctor`: what is there, what is missing, what is mis-set, and what to do about each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.terminal import JsonFlag, console, emit, say

_MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "missing": "[red]missing[/]"}


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("doctor")(doctor)


def doctor(
    home: Annotated[Path | None, typer.Option(help="Folder of data sets and releases.")] = None,
    llm: Annotated[str | None, typer.Option(help="embedded, none, openai or scripted.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Check everything Sidra needs. Exit status 1 when something needed is missing."""
    from app.health_checks import all_checks, settings_in_force
    from app.settings import load_settings

    settings = load_settings(home=home, llm=llm)
    checks = all_checks(settings)
    missing = [check for check in checks if check.state == "missing"]
    in_force = settings_in_force(settings)
    if json_:
        emit({"ok": not missing, "checks": [check.as_dict() for check in checks], "settings": in_force})
    else:
        from rich.table import Table

        table = Table("", "what", "found", "what to do", box=None, header_style="bold")
        for check in checks:
            table.add_row(_MARKS[check.state], check.name, check.found, check.remedy)
        console().print(table)
        table = Table("setting", "value", box=None, header_style="bold")
        for name, value in in_force.items():
            table.add_row(name, value)
        console().print(table)
        say(
            "Everything that is needed is there." if not missing else f"{len(missing)} missing; see `what to do` above."
        )
    if missing:
        raise typer.Exit(1)
