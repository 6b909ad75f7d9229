"""The page in Streamlit's own test bench, against a real server whose answers are made up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from app.client import SidraClient
from app.runtime import Runtime, Stage
from app.ui.cards import card_html
from app.ui.filters import usable
from app.ui.style import initials


def shown(bench: AppTest) -> str:
    return "\n".join(str(element.proto.body) for element in bench.get("html"))


def button(bench: AppTest, label: str) -> Any:
    return next(each for each in bench.button if each.label == label)


def thumbs(bench: AppTest, name: str) -> list[Any]:
    return [each for each in bench.button if each.key and each.key.startswith(name)]


def query(bench: AppTest, name: str) -> str:
    value = bench.query_params[name]
    return value[0] if isinstance(value, list) else value


def test_empty_page_offers_examples_and_filters(page: Callable[..., AppTest]) -> None:
    bench = page()
    assert not bench.exception
    assert "What are you in the mood for?" in shown(bench)
    assert {widget.label for widget in bench.multiselect} >= {"Genre"}
    assert {widget.label for widget in bench.slider} >= {"Year", "How many"}
    assert button(bench, "Hidden gems I have probably missed")


def test_a_turn_shows_words_cards_and_steps(page: Callable[..., AppTest]) -> None:
    bench = page()
    bench.chat_input[0].set_value("a drama").run()
    assert not bench.exception
    html = shown(bench)
    assert "a drama" in html
    assert "Here you are." in html
    assert html.count('class="sidra-card') == 5
    assert "understand" in html
    assert len(thumbs(bench, "thumb_up")) == len(thumbs(bench, "thumb_down")) == 5


def test_example_chip_sends_itself(page: Callable[..., AppTest], runtime: Runtime) -> None:
    bench = page()
    button(bench, "Hidden gems I have probably missed").click().run()
    assert runtime.conversations.asked[-1]["message"] == "Hidden gems I have probably missed"


def test_filters_and_number_go_along(page: Callable[..., AppTest], runtime: Runtime) -> None:
    bench = page()
    next(widget for widget in bench.multiselect if widget.label == "Genre").set_value(["Comedy"]).run()
    year = next(widget for widget in bench.slider if widget.label == "Year")
    year.set_value((year.min + 5, year.max)).run()
    next(widget for widget in bench.slider if widget.label == "How many").set_value(3).run()
    bench.chat_input[0].set_value("anything").run()
    asked = runtime.conversations.asked[-1]
    assert asked["k"] == 3
    assert [condition.model_dump() for condition in asked["filter"].all_of] == [
        {"field": "genre", "op": "in", "value": ["Comedy"]},
        {"field": "year", "op": "range", "value": [year.min + 5, None]},
    ]
    button(bench, "Clear filters").click().run()
    bench.chat_input[0].set_value("again").run()
    assert runtime.conversations.asked[-1]["filter"] is None


def test_thumb_down_marks_the_card_and_changes_the_next_list(page: Callable[..., AppTest], runtime: Runtime) -> None:
    bench = page()
    bench.chat_input[0].set_value("a drama").run()
    user = query(bench, "user")
    thumbs(bench, "thumb_down")[0].click().run()
    assert not bench.exception
    down = runtime.conversations.feedback.of(user)
    assert list(down.values()) == [-1]
    assert shown(bench).count("sidra-down") >= 2  # the style sheet's own and the card's
    button(bench, "Show me others").click().run()
    cards = runtime.conversations.stored[query(bench, "thread")][1][-1].slate
    assert next(iter(down)) not in [card.item_id for card in cards]
    thumbs(bench, "thumb_down")[0].click().run()
    assert runtime.conversations.feedback.of(user) == {}


def test_reload_resumes_thread_and_thumbs(page: Callable[..., AppTest]) -> None:
    bench = page()
    bench.chat_input[0].set_value("a drama").run()
    thumbs(bench, "thumb_down")[1].click().run()
    again = page(user=query(bench, "user"), thread=query(bench, "thread"))
    html = shown(again)
    assert "a drama" in html
    assert html.count('class="sidra-card sidra-down"') == 1
    stranger = page(user="somebody-else", thread=query(bench, "thread"))
    assert "a drama" not in shown(stranger)


def test_threads_are_listed_opened_and_deleted(page: Callable[..., AppTest], runtime: Runtime) -> None:
    bench = page()
    bench.chat_input[0].set_value("the first").run()
    first = query(bench, "thread")
    button(bench, "New conversation").click().run()
    assert "What are you in the mood for?" in shown(bench)
    bench.chat_input[0].set_value("the second").run()
    button(bench, "the first").click().run()
    assert query(bench, "thread") == first
    assert "the second" not in shown(bench)
    next(each for each in bench.button if each.key == f"delete-{first}").click().run()
    assert first not in runtime.conversations.stored
    assert "the first" not in [each.label for each in bench.button]


def test_another_user_sees_nothing_of_the_first(page: Callable[..., AppTest], runtime: Runtime) -> None:
    bench = page()
    bench.chat_input[0].set_value("my secret").run()
    known = max(runtime.recommender.log.users, key=lambda user: len(runtime.recommender.history(user) or []))
    other = page(user=known)
    assert "my secret" not in shown(other)
    assert "Written by rules" in shown(other), "the known user's own profile"


def test_a_turn_that_fails_says_so_and_keeps_the_question(page: Callable[..., AppTest]) -> None:
    bench = page()
    bench.chat_input[0].set_value("break").run()
    assert not bench.exception
    assert "It broke." in shown(bench)
    assert "break" in shown(bench)


def test_api_down_is_said_with_a_way_to_try_again(page: Callable[..., AppTest], address: str, monkeypatch: Any) -> None:
    bench = page("http://127.0.0.1:9")
    assert not bench.exception
    assert "sidra serve" in bench.error[0].value
    monkeypatch.setenv("SIDRA_API_URL", address)
    button(bench, "Try again").click().run()
    assert not bench.error
    assert "What are you in the mood for?" in shown(bench)


def test_loading_is_said(page: Callable[..., AppTest], runtime: Runtime) -> None:
    runtime.stages["recommender"] = Stage("loading")
    bench = page()
    assert "loading" in bench.info[0].value
    runtime.stages["recommender"] = Stage("failed", "no release; run `sidra build`")
    bench = page()
    assert "sidra build" in bench.error[0].value


def test_markup_in_titles_and_messages_stays_text(page: Callable[..., AppTest]) -> None:
    evil = "<img src=x onerror=alert(1)> ![x](http://evil.test/x.png) **b** \u202e"
    card = {"slot": 1, "item_id": "1", "title": evil, "facts": {evil: evil, "tags": [evil]}, "reason": evil}
    html = card_html(card)
    assert "<img" not in html
    assert html.count("&lt;img") == 5
    bench = page()
    bench.chat_input[0].set_value(evil).run()
    assert "<img" not in shown(bench)
    assert "\u202e" not in shown(bench) + html
    assert not any("evil.test" in str(element.value) for element in bench.markdown)


def test_initials() -> None:
    assert initials("The Big Lebowski") == "BL"
    assert initials("2001: A Space Odyssey") == "SO"
    assert initials("1984") == "1"
    assert initials("") == "?"
    assert initials("La vie en rose") == "VE"


def test_fields_without_choice_get_no_widget(address: str) -> None:
    with SidraClient(address) as client:
        names = [field["name"] for field in usable(client.info()["fields"])]
    assert names[:2] == ["genre", "year"]
    empty = {"name": "x", "kind": "number", "coverage": 1.0, "minimum": 3, "maximum": 3, "values": [], "distinct": 1}
    assert usable([empty, empty | {"kind": "tags", "values": ["one"]}]) == []


def test_memory_is_shown_with_its_source_changed_and_deleted(page: Callable[..., AppTest], runtime: Runtime) -> None:
    memory, rules = runtime.conversations.memory, runtime.conversations.view().understanding
    genre = rules.catalogue.fields["genre"].values[0]
    memory.add("ann", f"I never watch {genre}", rules)
    memory.add("ann", "remember that <b>I am</b> vegetarian", rules)
    bench = page(user="ann")
    assert not bench.exception
    assert "What I remember" in shown(bench)
    assert f"no {genre}" in [each.label for each in bench.expander]
    assert f"“I never watch {genre}”, entered here." in shown(bench)
    assert "a note without effect" in shown(bench)
    assert "<b>I am" not in shown(bench)
    (fact, note) = memory.of("ann")
    bench.text_input(key=f"fact-{fact.id}").set_value(f"I love {genre}").run()
    next(each for each in bench.button if each.key == f"change-{fact.id}").click().run()
    assert next(each.sentence for each in memory.of("ann")) == f"you like {genre}"
    next(each for each in bench.button if each.key == f"unlearn-{note.id}").click().run()
    assert [each.id for each in memory.of("ann")] == [fact.id]
    bench.text_input(key="remember-words").set_value("remember that I whistle")
    button(bench, "Remember this").click().run()
    assert not bench.exception
    assert len(memory.of("ann")) == 2
    button(bench, "Forget me").click().run()
    assert memory.of("ann") == []
    assert "Nothing yet" in shown(page(user="ann"))
