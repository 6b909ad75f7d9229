"""What the page shows while it can't talk to the API."""

from __future__ import annotations

import streamlit as st

from app.client import SidraClient, Unreachable
from app.ui import style

_WORDS = {
    "release": "Release",
    "recommender": "Recommender",
    "language_model": "Language model",
    "conversations": "Conversations",
}
_SIGNS = {"ready": ":material/check_circle:", "off": ":material/remove:", "failed": ":material/error:"}


def is_open(client: SidraClient) -> bool:
    """True when the API is ready; otherwise says what is the matter and offers to try again."""
    try:
        state = client.ready()
    except Unreachable:
        st.html(style.brand())
        st.error(
            f"Sidra's API does not answer at {client.base_url}. Start it with `sidra serve`, or set `SIDRA_API_URL` to "
            "where it runs.",
            icon=":material/cloud_off:",
        )
        st.button("Try again", icon=":material/refresh:", key="retry")
        _look_again(client)
        return False
    if state["ready"]:
        return True
    st.html(style.brand())
    failed = [stage for stage in state["stages"].values() if stage["state"] == "failed"]
    if failed and not any(stage["state"] in {"waiting", "loading"} for stage in state["stages"].values()):
        st.error(state["message"].replace("\n", " "), icon=":material/error:")
        st.button("Try again", icon=":material/refresh:", key="retry")
        return False
    _wait(client)
    return False


@st.fragment(run_every=2.0)
def _look_again(client: SidraClient) -> None:
    if client.alive():
        st.rerun()


@st.fragment(run_every=1.0)
def _wait(client: SidraClient) -> None:
    try:
        state = client.ready()
    except Unreachable:
        st.rerun()
    if state["ready"] or not any(s["state"] in {"waiting", "loading"} for s in state["stages"].values()):
        st.rerun()
    st.info("Sidra is loading. This page opens by itself.", icon=":material/hourglass_top:")
    for name, stage in state["stages"].items():
        st.markdown(f"{_SIGNS.get(stage['state'], ':material/pending:')} {_WORDS[name]}")
