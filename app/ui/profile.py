"""The profile as the visitor sees it: each line to edit, pin or delete; who wrote it, when and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from app.client import ClientError, SidraClient
from app.ui import style
from app.ui.session import Session, start_anew

_MOST_CHARS = 300


def draw_profile(session: Session, client: SidraClient) -> None:
    """The section of the side bar."""
    st.html(style.section("Your profile"))
    try:
        written: dict[str, Any] = client.profile(session.user)["written"]
    except ClientError as error:
        st.html(style.note(f"The profile can't be shown: {error.message}"))
        return
    if not written["lines"]:
        st.html(style.note("Nothing is known of you yet. Say in a line what you are into, or rate a few cards."))
    for line in written["lines"]:
        _draw_line(session, client, line)
    with st.form("profile-add", clear_on_submit=True, border=False):
        words = st.text_input(
            "About you",
            placeholder="I'm into ...",
            max_chars=_MOST_CHARS,
            label_visibility="collapsed",
            key="profile-words",
        )
        if st.form_submit_button("Add a line", icon=":material/person_add:", type="tertiary") and words.strip():
            _change(session, client, words=words)
            st.rerun()
    if written["version"]:
        st.html(style.note(origin_of(written)))
        st.button(
            "Write it anew",
            icon=":material/refresh:",
            type="tertiary",
            key="profile-refresh",
            help="Your own and your pinned lines stay.",
            on_click=_change,
            args=(session, client),
            kwargs={"refresh": True},
        )
    st.button(
        "Forget me",
        icon=":material/delete_forever:",
        type="tertiary",
        help="Deletes your conversations, memory, profile, thumbs and diary.",
        on_click=_forget,
        args=(session, client),
    )


def origin_of(written: dict[str, Any]) -> str:
    """Who wrote a version, when and why, as plain text."""
    when = datetime.fromtimestamp(written["written"], UTC).strftime("%d %B %Y, %H:%M UTC")
    author = {"rules": "Written by rules", "llm": f"Written by {written['model']}", "user": "Corrected by you"}
    parts = [f"Version {written['version']}, {when}. {author[written['by']]}: {written['why']}"]
    if written["candidates"] > 1:
        parts.append(f"The best of {written['candidates']}")
    if written["mark"]:
        parts.append(written["mark"][:1].upper() + written["mark"][1:])
    if written["struck_out"]:
        parts.append(f"Struck out: {', '.join(written['struck_out'][:12])}")
    if written["pending"]:
        parts.append("The language model is writing a new one")
    return ". ".join(parts) + "."


def _draw_line(session: Session, client: SidraClient, line: dict[str, Any]) -> None:
    key = f"line-{line['id']}"
    marks = (" (pinned)" if line["pinned"] else "") + (" (yours)" if line["by"] == "user" else "")
    with st.expander(_plain(line["text"]) + marks):
        words = st.text_input("Say it differently", value=line["text"], max_chars=_MOST_CHARS, key=key)
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Change",
                key=f"edit-{key}",
                type="tertiary",
                icon=":material/edit:",
                disabled=not words.strip() or words.strip() == line["text"],
                on_click=_edit,
                args=(session, client, line["id"], key),
            )
            st.button(
                "Unpin" if line["pinned"] else "Pin",
                key=f"pin-{key}",
                type="tertiary",
                icon=":material/keep_off:" if line["pinned"] else ":material/keep:",
                help="A pinned line stays as it is when the profile is written anew.",
                on_click=_change,
                args=(session, client),
                kwargs={"line": line["id"], "pinned": not line["pinned"]},
            )
            st.button(
                "Delete",
                key=f"drop-{key}",
                type="tertiary",
                icon=":material/delete:",
                help="What only this line names won't come back.",
                on_click=_delete,
                args=(session, client, line["id"]),
            )


def _edit(session: Session, client: SidraClient, line: str, key: str) -> None:
    _change(session, client, line=line, words=st.session_state[key])


def _change(session: Session, client: SidraClient, **change: Any) -> None:
    try:
        client.change_profile(session.user, **change)
    except ClientError as error:
        session.notice = f"The profile was not changed: {error.message}"


def _delete(session: Session, client: SidraClient, line: str) -> None:
    try:
        client.delete_profile_line(session.user, line)
    except ClientError as error:
        if error.status != 404:
            session.notice = f"That was not deleted: {error.message}"


def _forget(session: Session, client: SidraClient) -> None:
    client.forget(session.user)
    start_anew(session)
    session.votes = {}
    session.notice = "Your conversations, memory, profile, thumbs and diary are gone."


def _plain(text: str) -> str:
    # a label is Markdown; neither a user's nor a model's words are
    shown = text if len(text) <= 90 else f"{text[:89].rstrip()}\N{HORIZONTAL ELLIPSIS}"
    return "".join(f"\\{char}" if char in r"\`*_{}[]()#+-.!|<>~$:" else char for char in shown)
