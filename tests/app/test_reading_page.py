"""Texts on the page: the switch, the card's own text with its original, the opened text, the diary with its plots."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from streamlit.testing.v1 import AppTest

from app.runtime import Runtime
from app.ui import reading_html
from app.ui.reading import ask_again
from app.ui.reading_state import ReadingState


def shown(bench: AppTest) -> str:
    return "\n".join(str(element.proto.body) for element in bench.get("html"))


def press(bench: AppTest, key: str) -> None:
    next(each for each in bench.button if each.key and each.key.startswith(key)).click().run()
    assert not bench.exception


def switch(bench: AppTest, key: str, value: Any) -> None:
    next(each for each in bench.segmented_control if each.key and each.key.startswith(key)).set_value(value).run()
    assert not bench.exception


def reading(**more: Any) -> dict[str, Any]:
    base = {
        "item_id": "1",
        "mode": "balanced",
        "title": "Terror <b>at</b> 9",
        "text": "Terror reigns.",
        "headline": True,
        "shown_title": "Fear at 9",
        "shown_text": "Fear reigns.",
        "background": "",
        "background_item": "",
        "method": "lexicon",
        "marks": [],
        "sentences": [
            {"before": "Terror <i>reigns</i>.", "after": "Fear <i>reigns</i>.", "changed": True, "reason": "calmer"}
        ],
        "stimulus": 0.9,
        "stimulus_shown": 0.3,
        "level": "very loud",
        "level_shown": "lively",
        "proposal": None,
        "pending": False,
    }
    return base | more


def test_the_original_is_one_click_away_and_nothing_is_markup() -> None:
    html = reading_html.card_text(reading())
    assert "<summary>Original</summary>" in html
    assert "Terror &lt;b&gt;at&lt;/b&gt; 9" in html
    assert "<b>at" not in html
    assert "lively · 0.30, original 0.90" in html
    assert "<summary>" not in reading_html.card_text(reading(mode="raw"))


def test_changes_are_marked_word_by_word() -> None:
    html = reading_html.changes(reading(background="The port has 3 docks.", background_item="7"))
    assert "<del>Terror</del><ins>Fear</ins> &lt;i&gt;reigns&lt;/i&gt;." in html
    assert "<ins>The port has 3 docks.</ins>" in html
    assert "from item 7" in html
    huge = reading_html.difference("a b " * 3000, "a c " * 3000)
    assert huge.startswith("<del>")


def test_a_mode_chosen_before_the_first_message_goes_along(page: Callable[..., AppTest], runtime: Runtime) -> None:
    bench = page(user="ann")
    switch(bench, "reading-mode", "cool")
    bench.chat_input[0].set_value("a drama").run()
    assert not bench.exception
    assert runtime.conversations.asked[-1]["reading"] == "cool"
    assert shown(bench).count("<summary>Original</summary>") == 5
    bench.chat_input[0].set_value("another").run()
    assert runtime.conversations.asked[-1]["reading"] is None, "a choice is sent once"
    switch(bench, "reading-mode", "raw")
    assert "<summary>Original</summary>" not in shown(bench)
    thread = next(iter(runtime.conversations.stored))
    assert runtime.conversations.readings.store.choices("ann", thread) == {"": "raw"}


def test_a_text_is_opened_judged_and_given_its_own_mode(page: Callable[..., AppTest], runtime: Runtime) -> None:
    bench = page(user="ann")
    bench.chat_input[0].set_value("a drama").run()
    press(bench, "read-")
    assert [tab.label for tab in bench.tabs] == ["RAW", "Original", "What changed"]
    item = runtime.conversations.recommender.catalogue.ids[0]
    assert runtime.conversations.recommender.catalogue.get(item).title in shown(bench)
    press(bench, "verdict-too_loud")
    store = runtime.conversations.readings.store
    assert [(e.item_id, e.source, e.mode) for e in store.evidence("ann")] == [(item, "verdict", "balanced")]
    switch(bench, "card-mode-", "cool")
    assert store.choices("ann", next(iter(runtime.conversations.stored))) == {item: "cool"}


def test_the_diary_is_switched_on_filled_drawn_and_switched_off(page: Callable[..., AppTest], runtime: Runtime) -> None:
    bench = page(user="ann")
    press(bench, "balance-view")
    assert "It is off. Nothing is kept." in shown(bench)
    bench.toggle[0].set_value(True).run()
    assert not bench.exception
    assert "every entry is deleted after" in shown(bench)
    press(bench, "balance-view")
    bench.chat_input[0].set_value("a drama").run()
    press(bench, "read-")
    press(bench, "balance-view")
    assert len(bench.get("plotly_chart")) == 3
    assert "1 text this week: too few for advice" in shown(bench)
    bench.toggle[0].set_value(False).run()
    assert runtime.conversations.readings.store.since("ann") is None
    assert len(bench.get("plotly_chart")) == 0


def test_finer_texts_are_asked_for_until_they_have_come() -> None:
    answers = [[reading(pending=True)], [reading(method="llm", shown_text="Calm reigns.")]]
    asked: list[Any] = []

    def read(user: str, items: list[str], thread_id: str | None = None) -> dict[str, Any]:
        asked.append(items)
        return {"readings": answers[len(asked) - 1]}

    state = ReadingState(texts={"1": reading(pending=True), "2": reading(item_id="2")})
    session: Any = SimpleNamespace(user="u", thread_id="t", reading=state)
    client: Any = SimpleNamespace(read=read)
    assert not ask_again(session, client)
    assert ask_again(session, client)
    assert state.texts["1"]["shown_text"] == "Calm reigns."
    assert not ask_again(session, client)
    assert asked == [["1"], ["1"]]
