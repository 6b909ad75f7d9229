"""The side bar: who, new conversation, filters, conversations, what is being served."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from app.client import SidraClient
from app.ui import style
from app.ui.filters import draw_filters
from app.ui.memory import draw_memory
from app.ui.profile import draw_profile
from app.ui.reading import draw_reading
from app.ui.session import Session, change_user, new_visitor, open_thread, start_anew

_VISITOR = "New visitor"
_MOST_THREADS = 20


def draw_sidebar(session: Session, client: SidraClient, info: dict[str, Any]) -> tuple[dict[str, Any] | None, int]:
    """Everything in the side bar; returns the rule its filters make and the number of cards."""
    with st.sidebar:
        st.html(style.brand())
        st.button(
            "New conversation",
            icon=":material/add:",
            width="stretch",
            type="primary",
            on_click=start_anew,
            args=(session,),
            key="new-conversation",
        )
        _draw_user(session, client, info)
        draw_profile(session, client)
        draw_memory(session, client)
        draw_reading(session, client)
        st.html(style.section("Filters"))
        rule = draw_filters(info["fields"], session.filter_version)
        if rule is not None:
            st.button(
                "Clear filters", icon=":material/filter_alt_off:", type="tertiary", on_click=_clear, args=(session,)
            )
        k = st.slider("How many", 3, 10, 5, key="k")
        _draw_threads(session, client)
        _draw_footer(info)
        st.button(
            "Conversation" if session.tuning else "Tuning",
            icon=":material/chat:" if session.tuning else ":material/tune:",
            type="tertiary",
            key="tuning-view",
            help="How fast and how good the release is served, and what would make it faster.",
            on_click=_switch_view,
            args=(session,),
        )
    return rule, k


def _draw_user(session: Session, client: SidraClient, info: dict[str, Any]) -> None:
    known = ["42", "196", "7"] if info["dataset"].startswith("movielens") else []
    options = [_VISITOR, *known]
    shown = session.user if not session.user.startswith("visitor-") else _VISITOR
    if shown not in options:
        options.append(shown)
    picked = st.selectbox(
        "You are",
        options,
        index=options.index(shown),
        accept_new_options=True,
        key=f"user-{session.user}",
        help="Pick a user of the data or type another id. A new visitor has no history yet.",
    )
    wanted = (picked or _VISITOR).strip()[:128]
    if wanted and wanted != shown:
        change_user(session, client, new_visitor() if wanted == _VISITOR else wanted)
        st.rerun()


def _draw_threads(session: Session, client: SidraClient) -> None:
    threads = client.threads(session.user)
    if not threads:
        return
    st.html(style.section("Conversations"))
    for thread in threads[:_MOST_THREADS]:
        current = thread["id"] == session.thread_id
        with st.container(horizontal=True, gap="small", vertical_alignment="center", wrap=False):
            st.button(
                _label(thread["title"]),
                key=f"open-{thread['id']}",
                type="secondary" if current else "tertiary",
                width="stretch",
                on_click=open_thread,
                args=(session, client, thread["id"]),
            )
            st.button(
                "",
                icon=":material/delete:",
                key=f"delete-{thread['id']}",
                type="tertiary",
                help="Delete this conversation",
                on_click=_delete,
                args=(session, client, thread["id"]),
            )


def _draw_footer(info: dict[str, Any]) -> None:
    llm = info["llm"]
    words = llm["name"]
    if llm["state"] == "off":
        words = "rules, without a language model"
    elif llm["state"] != "ready":
        words = f"rules: {llm['detail'] or llm['state']}"
    lines = [
        f"{info['items']:,} {info['item_noun']} · {info['users']:,} users",
        f"Words by {words}",
        f"Release {info['release']} · generator {info['generator']}",
    ]
    st.html('<div class="sidra-foot">' + "<br>".join(escape(line) for line in lines) + "</div>")


def _switch_view(session: Session) -> None:
    session.tuning = not session.tuning


def _clear(session: Session) -> None:
    session.filter_version += 1


def _delete(session: Session, client: SidraClient, thread_id: str) -> None:
    client.delete_thread(thread_id, session.user)
    if thread_id == session.thread_id:
        start_anew(session)


def _label(title: str) -> str:
    # A button's label is Markdown; a user's words are not.
    plain = "".join(f"\\{char}" if char in r"\`*_{}[]()#+-.!|<>~$:" else char for char in title[:40])
    return plain or "Conversation"
