"""What the page remembers between reruns, and what a reload finds again in the address."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from app.client import ClientError, SidraClient
from app.ui.reading_state import ReadingState

_KEY = "sidra"


@dataclass
class Session:
    """One visitor's page."""

    user: str
    """Who is talking."""
    thread_id: str | None = None
    """The open conversation; None before its first turn."""
    messages: list[dict[str, Any]] = field(default_factory=list)
    """Messages as the API keeps them (`role`, `content`, `slate`, `steps`, `degraded`), oldest first."""
    votes: dict[str, int] = field(default_factory=dict)
    """Thumbs by item id."""
    pending: str | None = None
    """A message to send in this run."""
    filter_version: int = 0
    """Goes up when the filters are cleared."""
    notice: str = ""
    """A sentence to show once."""
    reading: ReadingState = field(default_factory=ReadingState)
    """How texts are shown, and what was fetched of them."""
    tuning: bool = False
    """Whether the view of tuning is open."""
    suggested: tuple[str, list[str]] = ("", [])
    """For which moment of the conversation suggestions were fetched, and what they say."""


def open_session(client: SidraClient) -> Session:
    """The session of this page; made from the address (`?user=..&thread=..`) when there is none yet."""
    session: Session | None = st.session_state.get(_KEY)
    if session is None:
        asked = st.query_params.get("user", "")
        session = Session(user=asked[:128] if asked.strip() else new_visitor())
        st.session_state[_KEY] = session
        load_user(session, client)
        thread = st.query_params.get("thread")
        if thread:
            open_thread(session, client, thread)
    st.query_params["user"] = session.user
    if session.thread_id:
        st.query_params["thread"] = session.thread_id
    elif "thread" in st.query_params:
        del st.query_params["thread"]
    return session


def new_visitor() -> str:
    """A name nobody can guess, since whoever knows it sees the visitor's conversations."""
    return f"visitor-{secrets.token_hex(6)}"


def change_user(session: Session, client: SidraClient, user: str) -> None:
    """Somebody else talks; their conversation starts empty."""
    session.user = user
    start_anew(session)
    load_user(session, client)


def load_user(session: Session, client: SidraClient) -> None:
    """Thumbs of the session's user."""
    profile = client.profile(session.user)
    session.votes = {str(item): int(value) for item, value in profile["thumbs"].items()}


def start_anew(session: Session) -> None:
    """An empty conversation of the same user."""
    session.thread_id = None
    session.messages = []
    session.pending = None
    session.reading = ReadingState()


def open_thread(session: Session, client: SidraClient, thread_id: str) -> None:
    """Show a stored conversation; one that isn't there leaves an empty page and a sentence."""
    start_anew(session)
    try:
        stored = client.thread(thread_id, session.user)
    except ClientError as error:
        if error.status != 404:
            raise
        session.notice = "That conversation is not there any more, so here is a new one."
        return
    session.thread_id = thread_id
    session.messages = list(stored["messages"])


def vote(session: Session, client: SidraClient, card: dict[str, Any], value: int) -> None:
    """Send a thumb and mark the card."""
    item = str(card["item_id"])
    try:
        client.feedback(session.user, item, value, session.thread_id)
    except ClientError as error:
        session.notice = f"The thumb was not stored: {error.message}"
        return
    if value:
        session.votes[item] = value
    else:
        session.votes.pop(item, None)
