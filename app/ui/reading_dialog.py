"""One item's text, opened: shown, original, what changed; its own mode, the guide's proposal, and a verdict."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.client import ClientError, SidraClient
from app.ui import reading_html, style
from app.ui.reading import choose
from app.ui.reading_state import MODES, NAMES
from app.ui.session import Session

_AS_THREAD = "as the conversation"
_VERDICTS = {"too_loud": "Too loud", "right": "Just right", "too_tame": "Too tame"}
_MEANING = (
    "Stimulus: how strongly the wording pulls at anger, fear or surprise, from 0 (not at all) to 1. An estimate from "
    "the words; it says nothing of whether a text is true or matters. Below 0.2 quiet, from 0.5 on loud."
)


def draw_open_text(session: Session, client: SidraClient) -> None:
    """The open text, if one is."""
    item = session.reading.open
    if item is None:
        return
    try:
        # asked for as opened, so that it counts for who keeps a diary
        found = client.read(session.user, [item], thread_id=session.thread_id, opened=True)["readings"]
    except ClientError as error:
        session.reading.open = None
        st.toast(f"The text could not be fetched: {error.message}")
        return
    if not found:
        session.reading.open = None
        st.toast("That item is not in the catalogue any more.")
        return
    reading = found[0]
    session.reading.texts[item] = reading
    st.dialog("Read", width="large", on_dismiss=lambda: _close(session))(_draw)(session, client, reading)


def _draw(session: Session, client: SidraClient, reading: dict[str, Any]) -> None:
    item = str(reading["item_id"])
    shown, original, changed = st.tabs([NAMES[reading["mode"]], "Original", "What changed"])
    with shown:
        st.html(reading_html.whole(reading["shown_title"], reading["shown_text"], reading["background"]))
    with original:
        st.html(reading_html.whole(reading["title"], reading["text"]))
    with changed:
        if reading["mode"] == "raw":
            st.html(style.note("Nothing: this is the original. Choose BALANCED or COOL below to compare."))
        else:
            st.html(reading_html.changes(reading))
    st.html(reading_html.meter(reading))
    st.html(style.note(reading_html.says(reading)))
    if reading["pending"]:
        st.html(style.note("A language model is working on a finer version; open this again in a moment."))
    _draw_choice(session, client, item, reading)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.html(style.note("How was it?"), width="content")
        for verdict, label in _VERDICTS.items():
            st.button(
                label,
                key=f"verdict-{verdict}",
                type="tertiary",
                on_click=_judge,
                args=(session, client, item, verdict, reading["mode"]),
            )
    st.html(style.note(_MEANING))


def _draw_choice(session: Session, client: SidraClient, item: str, reading: dict[str, Any]) -> None:
    key = f"card-mode-{item}-{session.reading.version}"
    st.segmented_control(
        "This text",
        [*MODES, _AS_THREAD],
        default=reading["mode"] if reading["chosen_by"] == "card" else _AS_THREAD,
        format_func=lambda mode: NAMES.get(mode, mode),
        key=key,
        on_change=_choose_here,
        args=(session, client, item, key),
    )
    proposal = reading["proposal"]
    if proposal is None or proposal["mode"] == reading["mode"]:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.html(style.note(f"Suggested: {NAMES[proposal['mode']]}. {proposal['reason']}"), width="content")
        st.button(
            "Use it",
            key="use-proposal",
            type="secondary",
            on_click=choose,
            args=(session, client, proposal["mode"], item),
        )


def _choose_here(session: Session, client: SidraClient, item: str, key: str) -> None:
    picked = st.session_state[key]
    choose(session, client, None if picked in {None, _AS_THREAD} else picked, item)


def _judge(session: Session, client: SidraClient, item: str, verdict: str, mode: str) -> None:
    try:
        client.judge(session.user, item, verdict, mode)
    except ClientError as error:
        session.notice = f"That was not kept: {error.message}"
        return
    session.notice = "Noted; suggestions go by it from now on."
    session.reading.stale()


def _close(session: Session) -> None:
    session.reading.open = None
