"""Which mode holds for a card, and which messages switch it."""

from __future__ import annotations

import pytest

from agents.reading.modes import Effective, effective, read_switch


def test_a_card_comes_before_its_thread_and_raw_before_nothing() -> None:
    assert effective({}, "a") == Effective("raw", "default")
    assert effective({"": "cool"}, "a") == Effective("cool", "thread")
    assert effective({"": "cool", "a": "raw"}, "a") == Effective("raw", "card")
    assert effective({"": "cool", "a": "raw"}, "b") == Effective("cool", "thread")
    assert effective({"": "louder"}, "a") == Effective("raw", "default"), "a mode of another version is no choice"


@pytest.mark.parametrize(
    ("message", "before", "mode", "rest"),
    [
        ("calmer please", "raw", "balanced", ""),
        ("Calmer, please!", "balanced", "cool", ""),
        ("calmer please", "cool", "cool", ""),
        ("show me the original texts", "cool", "raw", ""),
        ("Switch back to the original texts.", "balanced", "raw", ""),
        ("stop calming", "cool", "raw", ""),
        ("don't change the texts", "cool", "raw", ""),
        ("cool mode", "raw", "cool", ""),
        ("calm texts with background", "raw", "cool", ""),
        ("neutral wording, please", "raw", "balanced", ""),
        ("can you tone it down?", "raw", "balanced", ""),
        ("less sensational please", "raw", "balanced", ""),
        ("a comedy, calmer texts please", "raw", "balanced", "a comedy"),
        ("something about the port and neutral headlines", "raw", "balanced", "something about the port"),
    ],
)
def test_messages_that_switch(message: str, before: str, mode: str, rest: str) -> None:
    found = read_switch(message, before)  # type: ignore[arg-type]
    assert found is not None
    assert (found.mode, found.rest) == (mode, rest)


@pytest.mark.parametrize(
    "message",
    [
        "something calmer",
        "calmer films",
        "calmer",
        "a thriller, but calmer please",
        "I love calm stories",
        "show me the original",
        "back to the original ones",
        "less dramatic",
        "a cool film",
        "films in their original language",
        "what is the original about?",
        "",
        "," * 4000,
        "calm " * 800,
    ],
)
def test_wishes_for_other_items_do_not_switch(message: str) -> None:
    assert read_switch(message, "raw") is None
