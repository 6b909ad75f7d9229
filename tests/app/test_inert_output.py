"""Hostile titles, facts, reasons and answers in the terminal, on the page and in the API's JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

import app.commands.chat as chat
import app.commands.recommend as recommend
from agents.conversation import ConversationService
from agents.events import SlateEvent, StepEvent
from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from app.schemas import RecommendAnswer, RecommendedItem
from app.ui import style
from app.ui.cards import card_html
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue

EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> ![x](http://evil.example/x.png) [bold red]b[/] "
    "[link=http://evil.example]l[/link] \x1b[31mred\x1b]8;;http://evil.example\x07link\x07 \u202eidib\u202c \u200bzero"
    + "".join(chr(0xE0000 + ord(c)) for c in "tags")
)
HIDDEN = ("\x1b", "\u202e", "\u202c", "\u200b", "\x07", "\x9b", "\U000e0074")


def clean(text: str) -> bool:
    return not any(mark in text for mark in HIDDEN)


def terminal(kind: str = "truecolor") -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, color_system=kind, width=200, highlight=False), out


def test_the_terminal_draws_cards_as_text() -> None:
    screen, out = terminal(None)
    card = {"slot": 1, "title": EVIL, "facts": {"genre": [EVIL], "year": 1996}, "reason": EVIL}
    chat._draw_cards({"cards": [card], "note": EVIL}, screen)
    drawn = out.getvalue()
    assert clean(drawn.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[2m", ""))
    assert "[bold red]b[/]" in drawn, "markup of a title is text"
    assert "]8;" not in drawn


def test_the_terminal_prints_what_a_server_streams(capsys: pytest.CaptureFixture[str]) -> None:
    class Talker:
        def turn(self, message, thread_id):
            yield {"type": "slate", "final": True, "cards": [], "note": EVIL}
            yield {"type": "token", "text": EVIL}
            yield {"type": "end", "thread_id": "t", "degraded": True, "degraded_reason": EVIL}

    screen, out = terminal(None)
    chat._answer(Talker(), "hi", None, screen)
    assert clean(out.getvalue())
    assert clean(capsys.readouterr().err)


def test_the_table_of_recommend_is_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    screen, out = terminal()
    monkeypatch.setattr(recommend, "console", lambda: screen)
    item = RecommendedItem(
        item_id="1", sid=[1], log_probability=-1.0, score=-1.0, title=EVIL, attributes={"genre": [EVIL]}
    )
    result = RecommendAnswer(user_id=None, model="sidra", items=[item], exhausted=False, allowed=1, cold_start=True, timings_ms={}, release="r", changes=0, generator="compact", notes=[EVIL])  # fmt: skip
    recommend._draw(result, "films")
    drawn = out.getvalue()
    assert "]8;" not in drawn
    assert "\u202e" not in drawn
    assert "[/link]" in drawn
    assert clean(capsys.readouterr().err)


def test_the_page_draws_nothing_hidden() -> None:
    card = {"slot": 1, "item_id": "1", "title": EVIL, "facts": {"genre": [EVIL], EVIL: EVIL}, "reason": EVIL}
    for html in (card_html(card), style.text(EVIL), style.note(EVIL), style.degraded(EVIL), style.step("x", 1.0, EVIL)):
        assert clean(html)
        assert "<script" not in html
        assert "<img" not in html


async def test_answers_reasons_and_notes_leave_clean(tmp_path: Path) -> None:
    """Titles and facts are the catalogue's own, to the letter; what Sidra says of them is plain text."""
    row = (
        "99",
        f"Nice {EVIL}",
        1997,
        ["Comedy", EVIL[:50]],
        [f"Joel {EVIL[:30]}"],
        [EVIL[-40:]],
        ["France"],
        ["French"],
        90,
    )
    catalogue = film_catalogue([row], texts={"99": EVIL})
    said = f"These are funny. [1] is {EVIL}. Fine\u202e words\x1b[31m here. "
    llm = ScriptedChatModel(
        [ScriptEntry(call="respond", text=said), ScriptEntry(call="intent", json={"act": "recommend"})]
    )
    async with ConversationService(PlainRecommender(catalogue), llm, tmp_path) as service:
        talk = Talk(service, k=25)
        for message in (
            "a comedy",
            "French comedies",
            "something like Nice",
            "why the first one?",
            "what is the last one about?",
            "what is the first one about?",
        ):
            end = await talk.say(message)
            texts = [end.text, end.degraded_reason, *(card.reason for card in end.cards)]
            texts += [e.note for e in talk.events if isinstance(e, SlateEvent)]
            texts += [e.detail for e in talk.events if isinstance(e, StepEvent)]
            for text in texts:
                assert clean(text), ascii(text)
                assert "<script" not in text
                assert "://" not in text
                assert "](" not in text
            assert clean(json.dumps([end.text], ensure_ascii=False))
        assert catalogue.get("99").title == f"Nice {EVIL}"
