"""What Sidra remembers of the visitor for good: each with where it comes from, to change or delete."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.client import ClientError, SidraClient
from app.ui import style
from app.ui.session import Session

_MOST_CHARS = 300


def draw_memory(session: Session, client: SidraClient) -> None:
    """The section of the side bar."""
    facts = client.memory(session.user)
    st.html(style.section("What I remember"))
    if not facts:
        st.html(style.note("Nothing yet. Say what holds for good: I never watch horror."))
    for fact in facts:
        _draw_fact(session, client, fact)
    with st.form("remember", clear_on_submit=True, border=False):
        words = st.text_input(
            "Remember",
            placeholder="I never watch ...",
            max_chars=_MOST_CHARS,
            label_visibility="collapsed",
            key="remember-words",
        )
        if st.form_submit_button("Remember this", icon=":material/bookmark_add:", type="tertiary") and words.strip():
            _add(session, client, words)
            st.rerun()


def source_of(fact: dict[str, Any]) -> str:
    """Where a fact comes from and whether it has an effect, as plain text."""
    where = "said in a conversation" if fact["thread_id"] else "entered here"
    parts = [f"\N{LEFT DOUBLE QUOTATION MARK}{fact['said']}\N{RIGHT DOUBLE QUOTATION MARK}, {where}"]
    if not fact["effect"]:
        parts.append("a note without effect: nothing in this catalogue tells it")
    return ". ".join(parts) + "."


def _draw_fact(session: Session, client: SidraClient, fact: dict[str, Any]) -> None:
    with st.expander(_plain(fact["sentence"])):
        st.html(style.note(source_of(fact)))
        words = st.text_input("Say it differently", value=fact["said"], max_chars=_MOST_CHARS, key=f"fact-{fact['id']}")
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Change",
                key=f"change-{fact['id']}",
                type="tertiary",
                icon=":material/edit:",
                disabled=not words.strip() or words == fact["said"],
                on_click=_edit,
                args=(session, client, fact["id"], f"fact-{fact['id']}"),
            )
            st.button(
                "Delete",
                key=f"unlearn-{fact['id']}",
                type="tertiary",
                icon=":material/delete:",
                on_click=_remove,
                args=(session, client, fact["id"]),
            )


def _add(session: Session, client: SidraClient, words: str) -> None:
    try:
        kept = client.remember(session.user, words)
    except ClientError as error:
        session.notice = f"That was not kept: {error.message}"
        return
    session.notice = "Remembered: " + "; ".join(fact["sentence"] for fact in kept)


def _edit(session: Session, client: SidraClient, fact_id: str, key: str) -> None:
    try:
        session.notice = f"Changed: {client.edit_fact(session.user, fact_id, st.session_state[key])['sentence']}"
    except ClientError as error:
        session.notice = f"That was not changed: {error.message}"


def _remove(session: Session, client: SidraClient, fact_id: str) -> None:
    try:
        client.delete_fact(session.user, fact_id)
    except ClientError as error:
        if error.status != 404:
            session.notice = f"That was not deleted: {error.message}"


def _plain(sentence: str) -> str:
    # a label is Markdown; a user's words are not
    return "".join(f"\\{char}" if char in r"\`*_{}[]()#+-.!|<>~$:" else char for char in sentence[:60])
