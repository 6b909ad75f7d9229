"""`sidra tune --apply | --reject | --roll-back | --show`: what a person says to the tuner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from app.commands.terminal import console, emit, say

if TYPE_CHECKING:
    from agents.tuner.graph import TuningState

BY = "command line"


def apply(home: Path, study: str | None, *, approve: bool, json_: bool) -> None:
    """Answer the study that waits; with several, the one that is named."""
    from agents.tuner.graph import Decision
    from app.tuning import decide, waiting

    studies = [state["study"] for state in waiting(home)]
    if study is None:
        if not studies:
            raise typer.BadParameter("no proposal waits for an answer; `sidra tune` makes one")
        if len(studies) > 1:
            raise typer.BadParameter(f"several proposals wait; name one with --study: {', '.join(studies)}")
        study = studies[0]
    state = decide(home, study, Decision(approve=approve, by=BY))
    if json_:
        emit({"study": study, "where": state["where"], "report": state["report"]})
    elif state["where"] == "promoted":
        say(f"Applied. A running API goes over to it within seconds; `sidra tune --roll-back` undoes it. ({study})")
    else:
        say(f"Rejected; everything is served as before. ({study})")


def again(state: TuningState, *, json_: bool) -> None:
    """A study that ended before: where it stands, without searching again."""
    if json_:
        emit(dict(state))
        return
    where = {"waiting": "waits for an answer (--apply or --reject)", "nothing": "has nothing to propose"}
    stands = where.get(state["where"], f"was {state['where']}")
    say(f"Study {state['study']} has ended and {stands}.")
    for sentence in state["report"]["sentences"]:
        say(f"* {sentence}")
    say("More of it: more --trials. Another one: `sidra tune --study NAME`, or another --seed or --query-seed.")


def take_back(home: Path, release: str | None, *, json_: bool) -> None:
    """Serve by the plan that was in force before the last promotion."""
    from recsys_core.releases.store import ReleaseStore
    from recsys_core.tuning.promotion import in_force, roll_back

    found = ReleaseStore(home).open(release)
    entry = roll_back(found, BY)
    now = in_force(found).plan.model_dump(exclude_defaults=True)
    if json_:
        emit({"release": found.id, "taken_back": entry.promotion.model_dump(mode="json"), "serving": now})
        return
    say(f"Taken back. Release {found.id} is served {told(now)}.")


def show(home: Path, release: str | None, *, json_: bool) -> None:
    """What is in force, what waits, and what happened."""
    from app.tuning import waiting
    from recsys_core.releases.store import ReleaseStore
    from recsys_core.tuning.promotion import in_force

    found = ReleaseStore(home).open(release)
    state = in_force(found)
    proposals = waiting(home)
    if json_:
        emit(
            {
                "release": found.id,
                "serving": state.plan.model_dump(exclude_defaults=True),
                "promotion": state.promotion.model_dump(mode="json") if state.promotion else None,
                "waiting": [{"study": s["study"], "report": s["report"]} for s in proposals],
                "entries": [entry.model_dump(mode="json") for entry in state.entries],
            }
        )
        return
    say(f"Release {found.id} is served {told(state.plan.model_dump(exclude_defaults=True))}.")
    for proposal in proposals:
        say(f"Waiting: study {proposal['study']}")
        for sentence in proposal["report"]["sentences"]:
            say(f"  {sentence}")
    if state.entries:
        from rich.table import Table

        table = Table("when", "what", "changes", "by", "why", box=None, header_style="bold")
        for entry in state.entries[-10:]:
            changes = told(entry.promotion.plan.model_dump(exclude_defaults=True))
            table.add_row(entry.at, entry.event.replace("_", " "), changes, entry.by, entry.why)
        console().print(table)


def told(plan: dict[str, Any]) -> str:
    """A plan in a few words."""
    return "with " + ", ".join(f"{name} {value}" for name, value in plan.items()) if plan else "as it was built"
