"""Drawing the conversation, and running one turn while it streams in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import streamlit as st

from app.client import ClientError, SidraClient
from app.ui import style
from app.ui.cards import draw_cards
from app.ui.reading import CardTexts
from app.ui.session import Session, vote

_AVATARS = {"user": ":material/person:", "assistant": ":material/movie_filter:"}
_REDRAW_S = 0.05
_DOING = {
    "guard": "Reading your message",
    "understand": "Working out what you want",
    "recommend": "Choosing",
    "refine": "Reading between the lines",
    "explain": "Finding out why they fit",
    "calm": "Choosing calmer words",
    "respond": "Writing",
}


def draw_message(session: Session, client: SidraClient, number: int) -> None:
    """One stored message with steps, cards and thumbs."""
    message = session.messages[number]
    with st.chat_message(message["role"], avatar=_AVATARS[message["role"]]):
        if message["content"]:
            st.html(style.text(message["content"], mine=message["role"] == "user"))
        if message["role"] == "user":
            return
        if message.get("note"):
            st.html(style.note(message["note"]))
        if message.get("slate"):
            draw_cards(
                message["slate"],
                session.votes,
                place=f"{session.thread_id}-{number}",
                on_vote=lambda card, value: vote(session, client, card, value),
                reader=CardTexts(session, client),
            )
        if message.get("stopped"):
            st.html(style.note(message["stopped"]))
        if message.get("degraded"):
            st.html(style.degraded(message.get("degraded_reason") or "no language model"))
        if message.get("steps"):
            total = sum(float(step["ms"]) for step in message["steps"])
            with st.expander(f"How this answer came about · {total / 1000:.1f} s", type="compact"):
                st.html(steps_html(message["steps"]))


def run_turn(session: Session, client: SidraClient, text: str, rule: dict[str, Any] | None, k: int) -> None:
    """Send `text` and draw what comes: cards as soon as there are any, then words.

    The message lies in the session from the start and grows with every event, so whatever interrupts this run (stop
    button, another click, a reload) leaves what had come so far.
    """
    session.messages.append({"role": "user", "content": text})
    with st.chat_message("user", avatar=_AVATARS["user"]):
        st.html(style.text(text, mine=True))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "",
        "slate": [],
        "steps": [],
        "stopped": "Stopped here.",
    }
    session.messages.append(message)
    with st.chat_message("assistant", avatar=_AVATARS["assistant"]):
        screen = _Screen(session, message)
        try:
            turn = client.chat(
                text,
                user=session.user,
                thread_id=session.thread_id,
                filter=rule,
                k=k,
                beats=True,
                reading=session.reading.unsent,
            )
            with closing(turn) as events:
                for event in events:
                    screen.show(event)
        except ClientError as error:
            message["stopped"] = error.message
    # Drawn again with thumbs, and with the thread in the address and in the list.
    st.rerun()


def steps_html(steps: Sequence[dict[str, Any]]) -> str:
    """The steps of a turn with their times."""
    return "".join(style.step(str(s["node"]), float(s["ms"]), str(s.get("detail", ""))) for s in steps)


class _Screen:
    """The growing answer on the page."""

    def __init__(self, session: Session, message: dict[str, Any]) -> None:
        self.session = session
        self.message = message
        self.doing = "Reading your message"
        self.status = st.status(self.doing, expanded=False, type="compact")
        with self.status:
            self.steps = st.empty()
        self.words = st.empty()
        self.cards = st.empty()
        self.stop = st.empty()
        # Any click starts a new run, which ends this one and closes the stream; the button needs no code of its own.
        self.stop.button("Stop", icon=":material/stop_circle:", key=f"stop-{len(session.messages)}", type="secondary")
        self.drawn = 0.0
        self.slates = 0

    def show(self, event: dict[str, Any]) -> None:
        """Draw one event."""
        kind = event["type"]
        if kind == "start":
            self.session.thread_id = event["thread_id"]
            self.session.reading.begin()
            st.query_params["thread"] = event["thread_id"]
        elif kind == "step":
            self._step(event)
        elif kind == "slate":
            self._slate(event)
        elif kind == "calm":
            self.session.reading.came(event["readings"])
            self._slate({"cards": self.message["slate"], "note": self.message.get("note", "")})
        elif kind == "token":
            self._words(event["text"])
        elif kind == "wait":
            # A run that was stopped ends at its next call of Streamlit, so silence needs one too.
            self.status.update(label=self.doing)
        elif kind == "end":
            self.message |= {
                "degraded": event.get("degraded", False),
                "degraded_reason": event.get("degraded_reason", ""),
            }
            self.message.pop("stopped")
            self.words.html(style.text(self.message["content"]))
        elif kind == "error":
            self.message["stopped"] = event["message"]

    def _step(self, event: dict[str, Any]) -> None:
        if event["status"] == "start":
            self.doing = _DOING.get(event["node"], event["node"].capitalize())
            self.status.update(label=self.doing)
            return
        self.message["steps"].append({name: event[name] for name in ("node", "ms", "detail")})
        self.steps.html(steps_html(self.message["steps"]))

    def _slate(self, event: dict[str, Any]) -> None:
        self.message["slate"] = event["cards"]
        self.message["note"] = event["note"]
        # A slate may come again, refined; keys must differ within one run.
        self.slates += 1
        with self.cards.container():
            if event["note"]:
                st.html(style.note(event["note"]))
            draw_cards(
                event["cards"],
                self.session.votes,
                place=f"running-{self.slates}",
                on_vote=None,
                reader=CardTexts(self.session),
            )

    def _words(self, text: str) -> None:
        self.message["content"] += text
        # Twenty times a second is as fluent as every token, and the browser has less to do.
        if time.monotonic() - self.drawn > _REDRAW_S:
            self.words.html(style.text(self.message["content"], running=True))
            self.drawn = time.monotonic()
