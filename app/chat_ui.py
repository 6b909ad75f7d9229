"""The chat page. Run by `streamlit run`; talks to the API at `SIDRA_API_URL` and nowhere else."""

from __future__ import annotations

from typing import Any, Literal

import streamlit as st

from app.client import ClientError, SidraClient
from app.settings import load_settings
from app.ui import reading_html, style
from app.ui.balance import draw_balance
from app.ui.gate import is_open
from app.ui.reading import watch_finer
from app.ui.reading_dialog import draw_open_text
from app.ui.session import Session, open_session
from app.ui.sidebar import draw_sidebar
from app.ui.suggestions import suggestions
from app.ui.tuning import draw_tuning
from app.ui.turns import draw_message, run_turn

_OTHERS = "Show me others"
_FOLLOW_UPS = [_OTHERS, "Something newer", "Why the first one?", "More like the second one"]


@st.cache_resource
def connect(url: str, key: str | None) -> SidraClient:
    """One client for all visitors; it holds connections, nothing of anybody."""
    return SidraClient(url, key)


@st.cache_data(ttl=30, show_spinner=False)
def fetch_info(url: str, key: str | None) -> dict[str, Any]:
    """What is served; asked again after half a minute, so that a new release shows."""
    return connect(url, key).info()


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="Sidra", page_icon=":material/movie_filter:", layout="wide")
    st.html(style.CSS)
    st.html(reading_html.CSS)
    settings = load_settings()
    client = connect(settings.client_url, settings.key)
    if not is_open(client):
        return
    try:
        info = fetch_info(settings.client_url, settings.key)
        session = open_session(client)
        rule, k = draw_sidebar(session, client, info)
        if session.tuning:
            draw_tuning(session, client)
            return
        if session.reading.balance:
            draw_balance(session, client)
            return
        draw_conversation(session, client, info, rule, k)
        draw_open_text(session, client)
        watch_finer(session, client)
    except ClientError as error:
        st.error(error.message, icon=":material/error:")
        st.button("Try again", icon=":material/refresh:", key="retry")


def draw_conversation(
    session: Session, client: SidraClient, info: dict[str, Any], rule: dict[str, Any] | None, k: int
) -> None:
    """Messages, chips and the input; then the turn that waits, if one does."""
    if session.notice:
        st.toast(session.notice)
        session.notice = ""
    typed = st.chat_input(
        "What are you in the mood for?", max_chars=info["limits"]["message_chars"], submit_mode="disable", key="input"
    )
    text = typed or session.pending
    session.pending = None
    if not session.messages and not text:
        st.html(style.hero(info["item_noun"]))
        _draw_suggestions(session, client)
        _draw_chips(session, examples(info), "example")
    for number in range(len(session.messages)):
        draw_message(session, client, number)
    if text:
        run_turn(session, client, text, rule, k)
    elif session.messages and session.messages[-1].get("slate"):
        disliked = any(session.votes.get(str(card["item_id"]), 0) < 0 for card in session.messages[-1]["slate"])
        _draw_chips(session, _FOLLOW_UPS, f"next-{len(session.messages)}", strong=_OTHERS if disliked else None)
        _draw_suggestions(session, client)


def examples(info: dict[str, Any]) -> list[str]:
    """First requests that suit the catalogue."""
    fields = {field["name"]: field for field in info["fields"]}
    noun = info["item_noun"]
    if "genre" in fields and "year" in fields:
        return [
            f"Light-hearted French {noun} from the 1990s",
            "Something like Fargo but funnier",
            "A tense thriller, not too old",
            "Hidden gems I have probably missed",
        ]
    tags = [field for field in info["fields"] if field["kind"] == "tags" and field["values"]]
    return [f"{value} {noun}" for field in tags[:2] for value in field["values"][:2]] + ["Surprise me"]


def _draw_suggestions(session: Session, client: SidraClient) -> None:
    """What this person may want next; a stranger, of whom nothing is known, gets the examples alone."""
    if session.user.startswith("visitor-") and not session.votes and not session.messages:
        return
    if labels := suggestions(session, client):
        name = f"next-wish-{len(session.messages)}" if session.messages else "wish"
        _draw_chips(session, labels, name, before="For you next")


def _draw_chips(session: Session, labels: list[str], key: str, strong: str | None = None, before: str = "") -> None:
    middle: Literal["center", "left"] = "left" if session.messages else "center"
    with st.container(horizontal=True, horizontal_alignment=middle, vertical_alignment="center", gap="small", key=key):
        if before:
            st.html(style.section(before), width="content")
        for number, label in enumerate(labels):
            st.button(
                label,
                key=f"chip-{key}-{number}",
                type="primary" if label == strong else "secondary",
                on_click=_send,
                args=(session, label),
            )


def _send(session: Session, text: str) -> None:
    session.pending = text


main()
