"""What the visitor read, week by week: off until they switch it on, theirs to delete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.client import ClientError, SidraClient
from app.ui import style
from app.ui.session import Session

_INK, _GREEN, _LOUD, _GRID = "#1d2522", "#1f6f5c", "#cf7f3f", "#e6e1d5"
_EMOTION_COLOURS = {
    "anger": "#b8472f",
    "fear": "#6a4a86",
    "joy": "#c7a54b",
    "love": "#a85c74",
    "sadness": "#3f5d8a",
    "surprise": "#cf7f3f",
}
_WHAT = (
    "With your permission Sidra keeps which texts you opened, thumbed or said you know, in which mode, and how loud "
    "they were, to show you a week at a glance. It is shown to nobody else and recommends nothing."
)


def draw_balance(session: Session, client: SidraClient) -> None:
    """The whole view."""
    balance = client.balance(session.user)
    st.html(f'<div class="sidra-page"><h1>What I read</h1></div>{style.note(_WHAT)}')
    key = f"balance-on-{balance['on']}"
    st.toggle(
        "Keep a diary of what I read",
        value=balance["on"],
        key=key,
        on_change=_switch,
        args=(session, client, key),
        help="Switching it off deletes what it holds.",
    )
    if not balance["on"]:
        st.html(style.note("It is off. Nothing is kept."))
        return
    since = datetime.fromtimestamp(balance["since"], UTC).strftime("%d %B %Y").lstrip("0")
    st.html(style.note(f"On since {since}; every entry is deleted after {balance['keep_days']} days."))
    st.html(f'<div class="sidra-advice">{style.text(balance["advice"])}</div>')
    if balance["weeks"]:
        _draw_weeks(balance)
        st.button(
            "Delete the diary", icon=":material/delete:", type="tertiary", on_click=_clear, args=(session, client)
        )
    else:
        st.html(style.note("Open a text with Read on its card, or give it a thumb, and it appears here."))


def _draw_weeks(balance: dict[str, Any]) -> None:
    weeks = balance["weeks"]
    newest = weeks[-1]
    running = newest["begins"] == balance["this_week"]
    name = "this week" if running else f"week of {newest['begins']}"
    figures = (
        ("Texts read", str(newest["items"]), None),
        ("Mean stimulus", f"{newest['stimulus']:.2f}", "Pull at anger, fear or surprise, 0 to 1."),
        ("Loud", f"{newest['loud']} of {newest['items']}", "Stimulus of 0.5 or more, as they were read."),
        (
            "Balance of emotions",
            "-" if newest["balance"] is None else f"{newest['balance']:.2f}",
            "1: all six emotions weigh the same; 0: there is only one.",
        ),
    )
    st.html(style.section(name))
    for column, (label, value, says) in zip(st.columns(4), figures, strict=True):
        column.metric(label, value, help=says)
    left, right = st.columns(2, gap="large")
    with left:
        st.html(style.section("Week by week"))
        st.plotly_chart(weekly_chart(weeks), key="weeks-chart", config=_QUIET)
        st.html(style.note("Bars: share of loud texts. Line: mean stimulus. Both from 0 to 1."))
    with right:
        st.html(style.section(f"By category, {name}"))
        st.plotly_chart(category_chart(newest["categories"]), key="category-chart", config=_QUIET)
        st.html(style.note("Mean stimulus of what you read in each; the number of texts beside it."))
    st.html(style.section(f"Emotions, {name}"))
    st.plotly_chart(emotion_chart(newest["emotions"]), key="emotion-chart", config=_QUIET)
    st.html(
        style.note(f"Mean probability of each emotion in the texts as you read them, measured by {balance['scorer']}.")
    )


_QUIET = {"displayModeBar": False}


def weekly_chart(weeks: list[dict[str, Any]]) -> go.Figure:
    """Share of loud texts and mean stimulus by week."""
    names = [_day(week["begins"]) for week in weeks]
    figure = go.Figure()
    figure.add_bar(
        x=names,
        y=[week["loud_share"] for week in weeks],
        name="loud",
        marker_color=_LOUD,
        opacity=0.75,
        width=0.45,
        hovertemplate="%{y:.0%} loud<extra></extra>",
    )
    figure.add_scatter(
        x=names,
        y=[week["stimulus"] for week in weeks],
        name="stimulus",
        mode="lines+markers",
        line={"color": _GREEN, "width": 2.5},
        hovertemplate="mean stimulus %{y:.2f}<extra></extra>",
    )
    figure.update_yaxes(range=[0, 1.02])
    figure.update_xaxes(type="category")
    return _laid_out(figure, 260)


def category_chart(categories: list[dict[str, Any]]) -> go.Figure:
    """Mean stimulus by category, the most read at the top."""
    shown = categories[:8][::-1]
    figure = go.Figure(
        go.Bar(
            x=[each["stimulus"] for each in shown],
            y=[f"{_short(each['category'])}  ({each['items']})" for each in shown],
            orientation="h",
            marker_color=[_LOUD if each["loud_share"] >= 0.5 else _GREEN for each in shown],
            hovertemplate="mean stimulus %{x:.2f}<extra></extra>",
        )
    )
    figure.update_xaxes(range=[0, 1.02])
    return _laid_out(figure, 260)


def emotion_chart(emotions: dict[str, float]) -> go.Figure:
    """Mean probability of each emotion."""
    figure = go.Figure(
        go.Bar(
            x=list(emotions),
            y=list(emotions.values()),
            marker_color=[_EMOTION_COLOURS.get(name, _GREEN) for name in emotions],
            width=0.55,
            hovertemplate="%{x} %{y:.2f}<extra></extra>",
        )
    )
    figure.update_yaxes(range=[0, max(0.5, *emotions.values()) * 1.05])
    return _laid_out(figure, 220)


def _laid_out(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": _INK, "size": 12},
        showlegend=False,
        bargap=0.35,
    )
    figure.update_yaxes(gridcolor=_GRID, zeroline=False, automargin=True)
    figure.update_xaxes(gridcolor=_GRID, zeroline=False, automargin=True)
    return figure


def _day(begins: str) -> str:
    return datetime.fromisoformat(begins).strftime("%d %b").lstrip("0")


def _short(name: str) -> str:
    # a chart's label may hold a little mark-up; a catalogue's words are not
    plain = name.replace("<", "").replace(">", "").replace("&", "+")
    return plain if len(plain) <= 24 else plain[:23] + "\N{HORIZONTAL ELLIPSIS}"


def _switch(session: Session, client: SidraClient, key: str) -> None:
    try:
        client.switch_balance(session.user, bool(st.session_state[key]))
    except ClientError as error:
        session.notice = f"That was not kept: {error.message}"


def _clear(session: Session, client: SidraClient) -> None:
    try:
        client.clear_balance(session.user)
    except ClientError as error:
        session.notice = f"The diary was not deleted: {error.message}"
