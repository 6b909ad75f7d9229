"""Tuning: what a study finds while it runs, what it proposes, and the two buttons that change how answers are made."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.client import ClientError, SidraClient
from app.ui import style
from app.ui.session import Session

_GREEN, _LOUD, _MUTED, _GRID = "#1f6f5c", "#cf7f3f", "#b9b3a5", "#e6e1d5"
_WHAT = (
    "A study measures other ways to serve this release: narrower searches, shorter histories, another index. It looks "
    "for the fastest that provably keeps the quality. Nothing changes before you apply it, and you can roll it back."
)
_WHO = {"reference": "as served", "sidra": "optimiser", "llm": "language model", "person": "person"}
_STATES = {
    "searching": "at work",
    "stopped": "stopped; start it again and it goes on",
    "waiting": "has a proposal that waits for you",
    "promoted": "was applied",
    "refused": "was rejected",
    "nothing": "has nothing to propose",
}


def draw_tuning(session: Session, client: SidraClient) -> None:
    """The whole view; refreshes itself while a study is at work."""
    st.html(f'<div class="sidra-page"><h1>Tuning</h1></div>{style.note(_WHAT)}')
    try:
        first = client.tuning()
    except ClientError as error:
        st.info(error.message, icon=":material/lock:")
        return
    if first["running"]:
        st.fragment(_draw, run_every=3.0)(session, client)
    else:
        _draw(session, client)


def _draw(session: Session, client: SidraClient) -> None:
    now = client.tuning()
    if now["trouble"]:
        st.warning(now["trouble"], icon=":material/error:")
    _draw_serving(session, client, now)
    _draw_start(session, client, now)
    for number, study in enumerate(now["studies"][:5]):
        if number == 0:
            _draw_study(session, client, study)
        else:
            with st.expander(f"Study {study['study']}: {_STATES[study['where']]}"):
                _draw_study(session, client, study)
    if now["events"]:
        st.html(style.section("What happened"))
        st.dataframe(
            [
                {
                    "when": event["at"].replace("T", " ")[:16],
                    "what": event["event"].replace("_", " "),
                    "changes": _told(event["promotion"]["changes"]) or "-",
                    "by": event["by"],
                    "why": event["why"],
                }
                for event in now["events"]
            ],
            hide_index=True,
        )


def _draw_serving(session: Session, client: SidraClient, now: dict[str, Any]) -> None:
    st.html(style.section("Served now"))
    if not now["serving"]:
        st.html(style.text(f"Release {now['release']}, as it was built."))
        return
    st.html(style.text(f"Release {now['release']} with {_told(_flat(now['serving']))}."))
    promotion, use = now["promotion"], now["in_use"]
    if promotion is not None:
        columns = st.columns(4)
        columns[0].metric(
            "Throughput", f"{promotion['speed']:.2f} x", help="Against the release as built, in the test."
        )
        columns[1].metric("Quality kept", f"{promotion['quality']:.1%}", help="On queries kept for the test.")
        p95 = f"{use['p95_ms']:.0f} ms" if "p95_ms" in use else "-"
        columns[2].metric("In use: 19 of 20 within", p95, help=f"Taken back above {promotion['latency_ms']:g} ms.")
        kept = f"{use['quality_kept']:.1%}" if "quality_kept" in use else "-"
        columns[3].metric(
            "In use: quality kept",
            kept,
            help=f"Of {use.get('samples', 0):.0f} people asked about again; taken back below {promotion['floor']:.0%}.",
        )
    st.button(
        "Roll back",
        icon=":material/undo:",
        key="tuning-rollback",
        on_click=_act,
        args=(session, client, "rollback", ""),
    )


def _draw_start(session: Session, client: SidraClient, now: dict[str, Any]) -> None:
    if now["running"]:
        st.button(
            "Stop the study",
            icon=":material/stop:",
            key="tuning-stop",
            on_click=_act,
            args=(session, client, "stop", ""),
        )
        return
    with st.expander("Start a study", expanded=not now["studies"]):
        trials = st.number_input("Configurations to measure", 5, 200, 30, key="tuning-trials")
        floor = st.slider("Quality to keep, at least", 0.80, 1.0, 0.95, 0.01, key="tuning-floor")
        seed = st.number_input("Seed", 0, 1000, 0, key="tuning-seed", help="Another seed is another study.")
        llm = st.toggle("Let the language model propose, too", key="tuning-llm")
        body = {"trials": int(trials), "floor": float(floor), "seed": int(seed), "llm": llm}
        st.button(
            "Start", type="primary", icon=":material/play_arrow:", key="tuning-start", on_click=_start,
            args=(session, client, body),
        )  # fmt: skip


def _draw_study(session: Session, client: SidraClient, study: dict[str, Any]) -> None:
    trials = study["trials"]
    st.html(style.section(f"Study {study['study']}"))
    st.html(style.text(f"It {_verb(study['where'])}."))
    if study["where"] == "searching":
        st.progress(min(1.0, len(trials) / study["wanted"]), f"{len(trials)} of {study['wanted']} configurations")
    if len(trials) > 1:
        left, right = st.columns(2)
        left.plotly_chart(pareto(trials, _proposed(study)), key=f"pareto-{study['study']}")
        right.plotly_chart(progress(trials), key=f"progress-{study['study']}")
    report = study["report"]
    if report is None:
        return
    st.markdown("\n".join(f"* {_plain(sentence)}" for sentence in report["sentences"]))
    if report["knobs"]:
        st.dataframe(
            [
                {
                    "setting": knob["knob"],
                    "now": str(knob["now"]),
                    "proposed": str(knob["value"]),
                    "times as fast (estimated)": round(knob["speed"], 2),
                    "quality bound (estimated)": f"{knob['quality']:+.3f}",
                }
                for knob in report["knobs"]
            ],
            hide_index=True,
        )
    if study["where"] == "waiting":
        with st.container(horizontal=True):
            for label, action, kind in (("Apply", "apply", "primary"), ("Reject", "reject", "secondary")):
                st.button(
                    label,
                    type=kind,  # type: ignore[arg-type]
                    key=f"{action}-{study['study']}",
                    on_click=_act,
                    args=(session, client, action, study["study"]),
                )


def pareto(trials: list[dict[str, Any]], proposed: dict[str, Any] | None) -> go.Figure:
    """Throughput against the quality bound of every trial; what is served now, what is safe, what is proposed."""
    figure = go.Figure()
    groups = (
        ("safe", _GREEN, [t for t in trials[1:] if t["score"] > 0]),
        ("refused", _MUTED, [t for t in trials[1:] if t["score"] == 0 and t["speed"] > 0]),
        ("served now", _LOUD, trials[:1]),
    )
    for name, colour, group in groups:
        figure.add_scatter(
            x=[t["lower"] for t in group],
            y=[t["speed"] for t in group],
            mode="markers",
            name=name,
            marker={"color": colour, "size": 9},
            hovertext=[
                f"{t['number']} ({_WHO.get(t['proposed_by'], t['proposed_by'])}): {_told(t['changes']) or 'as served'}"
                for t in group
            ],
            hoverinfo="text+x+y",
        )
    chosen = next((t for t in trials if proposed is not None and t["changes"] == proposed["changes"]), None)
    if chosen is not None:
        figure.add_scatter(
            x=[chosen["lower"]],
            y=[chosen["speed"]],
            mode="markers",
            name="proposed",
            marker={"color": "rgba(0,0,0,0)", "size": 17, "line": {"color": _GREEN, "width": 2}},
            hoverinfo="skip",
        )
    return _styled(figure, "Speed and proven quality", "quality kept, lower bound", "times as fast")


def progress(trials: list[dict[str, Any]]) -> go.Figure:
    """Score of every trial and the best so far."""
    best, line = 0.0, []
    for trial in trials:
        best = max(best, trial["score"])
        line.append(best)
    figure = go.Figure()
    numbers = [trial["number"] for trial in trials]
    figure.add_scatter(
        x=numbers, y=[t["score"] for t in trials], mode="markers", name="trial", marker={"color": _MUTED}
    )
    figure.add_scatter(x=numbers, y=line, mode="lines", name="best so far", line={"color": _GREEN, "shape": "hv"})
    return _styled(figure, "Best so far", "trial", "times as fast, 0 where refused")


def _styled(figure: go.Figure, title: str, x: str, y: str) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        height=320,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        legend={"orientation": "h", "y": -0.25},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(title=x, gridcolor=_GRID, zeroline=False)
    figure.update_yaxes(title=y, gridcolor=_GRID, zeroline=False, rangemode="tozero")
    return figure


def _start(session: Session, client: SidraClient, body: dict[str, Any]) -> None:
    try:
        client.start_tuning(**body)
    except ClientError as error:
        session.notice = error.message


def _act(session: Session, client: SidraClient, action: str, study: str) -> None:
    try:
        if action == "stop":
            client.stop_tuning()
        elif action == "rollback":
            client.roll_back_tuning()
        else:
            client.decide_tuning(study, approve=action == "apply")
    except ClientError as error:
        session.notice = error.message


def _proposed(study: dict[str, Any]) -> dict[str, Any] | None:
    report: dict[str, Any] = study["report"] or {}
    promotion: dict[str, Any] | None = report.get("promotion")
    return promotion


def _verb(where: str) -> str:
    return f"is {_STATES[where]}" if where in {"searching", "stopped"} else _STATES[where]


def _flat(plan: dict[str, Any]) -> dict[str, Any]:
    graph = plan.get("graph") or {}
    return {**{name: value for name, value in plan.items() if name != "graph"}, **graph}


def _told(changes: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in changes.items())


def _plain(text: str) -> str:
    """Words for Markdown: a reason may come from a language model."""
    return "".join(f"\\{char}" if char in r"\`*_{}[]()#+-!|<>~$" else char for char in text)
