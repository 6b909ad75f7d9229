"""Texts on the page: the switch in the side bar, and what stands below each card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.client import ClientError, SidraClient
from app.ui import reading_html, style
from app.ui.cards import Card
from app.ui.reading_state import MODES, NAMES, SAYS
from app.ui.session import Session

_AT_ONCE = 50
_AGAIN_S, _MOST_AGAIN = 5.0, 24
"""Finer texts are asked for so often, and so many times at most."""


def draw_reading(session: Session, client: SidraClient) -> None:
    """The section of the side bar."""
    state = session.reading
    fetch_guide(session, client)
    st.html(style.section("How texts are shown"))
    key = f"reading-mode-{session.thread_id}-{state.version}"
    st.segmented_control(
        "How texts are shown",
        list(MODES),
        default=state.mode,
        format_func=NAMES.__getitem__,
        key=key,
        label_visibility="collapsed",
        on_change=choose_for_thread,
        args=(session, client, key),
        width="stretch",
    )
    st.html(style.note(SAYS[state.mode]))
    st.button(
        "Back to the conversation" if state.balance else "What I read",
        icon=":material/arrow_back:" if state.balance else ":material/monitoring:",
        type="tertiary",
        key="balance-view",
        on_click=_turn_view,
        args=(session,),
    )


def fetch_guide(session: Session, client: SidraClient) -> None:
    """Mode and guide of the open conversation, once a change."""
    if session.reading.guide is None:
        session.reading.guide = client.guide(session.user, session.thread_id)


def choose_for_thread(session: Session, client: SidraClient, key: str) -> None:
    """The switch was pressed; pressing the mode in force leaves it."""
    state = session.reading
    mode = st.session_state[key]
    if mode is None:
        state.version += 1
        return
    if session.thread_id is None:
        state.unsent = mode
        return
    choose(session, client, mode, None)


def choose(session: Session, client: SidraClient, mode: str | None, item: str | None) -> None:
    """Send a choice for the conversation or a card; what was fetched no longer holds."""
    if session.thread_id is None:
        return
    try:
        client.choose_mode(session.user, session.thread_id, mode, item)
    except ClientError as error:
        session.notice = f"That was not kept: {error.message}"
        return
    session.reading.stale()


class CardTexts:
    """The texts below cards; fetched for the whole conversation at once.

    Args:
        session: the visitor's.
        client: where to fetch; None draws only what has come already, while an answer is running.
    """

    def __init__(self, session: Session, client: SidraClient | None = None) -> None:
        self._session = session
        self._live = client is not None
        if client is not None:
            _fetch(session, client)

    def titled(self, card: Card) -> Card:
        """The card under the title to show."""
        reading = self._of(card)
        return card if reading is None else {**card, "title": reading["shown_title"]}

    def draw(self, card: Card, key: str) -> None:
        """Excerpt, meter, original, and a button that opens the text."""
        reading = self._of(card)
        if reading is None:
            return
        st.html(reading_html.card_text(reading))
        if self._live:
            st.button(
                "Read",
                key=f"read-{key}",
                icon=":material/article:",
                type="tertiary",
                help=_hint(reading),
                on_click=_open,
                args=(self._session, str(card["item_id"])),
            )

    def _of(self, card: Card) -> dict[str, Any] | None:
        return self._session.reading.texts.get(str(card["item_id"]))


def _fetch(session: Session, client: SidraClient) -> None:
    """Texts that are not there yet; a page without them is whole, so a failure costs the texts and a sentence."""
    state = session.reading
    slates: Sequence[Any] = [message.get("slate") or [] for message in session.messages]
    wanted = dict.fromkeys(str(card["item_id"]) for slate in reversed(slates) for card in slate)
    missing = [item for item in wanted if item not in state.texts]
    try:
        for begin in range(0, len(missing), _AT_ONCE):
            some = missing[begin : begin + _AT_ONCE]
            state.came(client.read(session.user, some, thread_id=session.thread_id)["readings"])
    except ClientError as error:
        session.notice = f"The texts could not be fetched: {error.message}"


def watch_finer(session: Session, client: SidraClient) -> None:
    """Ask again for texts that a language model is working on, and draw the page anew when one has come."""
    if session.reading.waiting and session.reading.asked_again < _MOST_AGAIN:
        _watch(session, client)


@st.fragment(run_every=_AGAIN_S)
def _watch(session: Session, client: SidraClient) -> None:
    if ask_again(session, client):
        st.rerun()


def ask_again(session: Session, client: SidraClient) -> bool:
    """Fetch texts that were being worked on; whether one is finished. A failure ends the asking, not the page."""
    state = session.reading
    waiting = state.waiting[:_AT_ONCE]
    if not waiting or state.asked_again >= _MOST_AGAIN:
        return False
    state.asked_again += 1
    try:
        state.came(client.read(session.user, waiting, thread_id=session.thread_id)["readings"])
    except ClientError:
        state.asked_again = _MOST_AGAIN
        return False
    return not set(waiting) <= set(state.waiting)


def _hint(reading: dict[str, Any]) -> str | None:
    proposal = reading["proposal"]
    return None if proposal is None or proposal["mode"] == "raw" else f"Suggested: {NAMES[proposal['mode']]}"


def _open(session: Session, item: str) -> None:
    session.reading.open = item


def _turn_view(session: Session) -> None:
    session.reading.balance = not session.reading.balance
