"""What people say about films, and what is understood by rules."""

from __future__ import annotations

import pytest

from agents.intent import Act, Intent
from agents.linking import SUGGEST, _alike
from agents.state import SlateCard, WorkingRequest
from agents.understanding.rules import RuleUnderstanding
from agents.understanding.scene import Scene
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.generator.protocol import Task
from tools.titles import TitleIndex


@pytest.fixture(scope="module")
def rules(films: Catalogue) -> RuleUnderstanding:
    return RuleUnderstanding(films, TitleIndex(films.titles, films.numbers("year")))


@pytest.fixture(scope="module")
def scene(films: Catalogue) -> Scene:
    ids = ["1", "8", "2", "7", "11"]  # 1996, 1987, 1972, 1958, 1995: the median is 1987
    slate = [SlateCard(slot=n, item_id=i, title=films.get(i).title) for n, i in enumerate(ids, start=1)]
    return Scene(slate=slate, focus="8", request=WorkingRequest(words="thriller"))


def told(intent: Intent) -> set[str]:
    """Wishes in short: sign, softness, field, values."""
    return {
        f"{'-' if w.negative else '+'}{'' if w.hard else '~'}{w.field}:"
        + ("|".join(w.values) if w.values else f"{w.low or ''}..{w.high or ''}")
        for w in intent.wishes
    }


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("I want a funny film", {"+~genre:Comedy"}),
        ("something light-hearted and French", {"+~genre:Comedy", "+country:France"}),
        ("a sci-fi film from the 80s", {"+genre:Sci-Fi", "+year:1980.0..1989.0"}),
        ("science fiction", {"+genre:Sci-Fi"}),
        ("cartoons for the kids", {"+genre:Animation", "+genre:Children's"}),
        ("romantic comedies", {"+genre:Romance", "+genre:Comedy"}),
        ("a romcom", {"+genre:Romance", "+genre:Comedy"}),
        ("comedies, dramas or musicals", {"+genre:Comedy|Drama|Musical"}),
        ("a musical or a war film", {"+genre:Musical|War"}),
        ("no horror please", {"-genre:Horror"}),
        ("no horror, musicals or war films", {"-genre:Horror|Musical|War"}),
        ("nothing violent", {"-genre:Action|Horror|War"}),
        ("scary but not gory", {"+~genre:Horror", "-genre:Action|Horror|War"}),
        ("a comedy without musicals", {"+genre:Comedy", "-genre:Musical"}),
        ("anything but war films", {"-genre:War"}),
        ("nothing but comedies", {"+genre:Comedy"}),
        ("not French, something Italian", {"-country:France", "+country:Italy"}),
        ("a Japanese drama", {"+country:Japan", "+genre:Drama"}),
        ("British or French films", {"+country:United Kingdom|France"}),
        ("films from the US", {"+country:United States"}),
        ("in French", {"+language:French"}),
        ("French-language films", {"+language:French"}),
        ("not in English", {"-language:English"}),
        ("more romance", {"+~genre:Romance"}),
    ],
)
def test_kinds_countries_languages(rules: RuleUnderstanding, message: str, expected: set[str]) -> None:
    assert told(rules.understand(message, Scene())) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("from the 90s", "+year:1990.0..1999.0"),
        ("1990s", "+year:1990.0..1999.0"),
        ("nineties thriller", "+year:1990.0..1999.0"),
        ("late eighties", "+year:1986.0..1989.0"),
        ("early 1960s", "+year:1960.0..1963.0"),
        ("from the 60s to the 80s", "+year:1960.0..1989.0"),
        ("thrillers from the 1970s or 80s", "+year:1970.0..1989.0"),
        ("not from the 90s", "-year:1990.0..1999.0"),
        ("before the 70s", "+year:..1969.0"),
        ("after 1990", "+year:1991.0.."),
        ("since 1990", "+year:1990.0.."),
        ("from 1990 onwards", "+year:1990.0.."),
        ("newer than 1985", "+year:1986.0.."),
        ("no older than 1990", "+year:1990.0.."),
        ("made before 1980", "+year:..1979.0"),
        ("no later than 1980", "+year:..1980.0"),
        ("nothing from before 1990", "+year:1990.0.."),
        ("nothing after 1980", "+year:..1980.0"),
        ("not before 1990", "+year:1990.0.."),
        ("nothing from before the 70s", "+year:1970.0.."),
        ("nothing over two hours", "+runtime:..120.0"),
        ("nothing under 90 minutes", "+runtime:90.0.."),
        ("between 1960 and 1970", "+year:1960.0..1970.0"),
        ("1960-1970", "+year:1960.0..1970.0"),
        ("films from 1994", "+year:1994.0..1994.0"),
        ("the last 10 years", "+year:1992.0.."),
        ("under 2 hours", "+runtime:..120.0"),
        ("under two hours", "+runtime:..120.0"),
        ("less than 90 minutes", "+runtime:..90.0"),
        ("no longer than an hour and a half", "+runtime:..90.0"),
        ("1 hour 45 minutes max", "+runtime:..105.0"),
        ("at least 2 hours", "+runtime:120.0.."),
        ("about 100 minutes", "+runtime:85.0..115.0"),
        ("I have two hours", "+runtime:..120.0"),
    ],
)
def test_numbers(rules: RuleUnderstanding, message: str, expected: str) -> None:
    assert expected in told(rules.understand(message, Scene()))


@pytest.mark.parametrize(
    ("message", "k"),
    [
        ("give me three comedies", 3),
        ("show me 5 dramas from the 60s", 5),
        ("top 10 dramas", 10),
        ("five romantic comedies", 5),
        ("make it two", 2),
        ("just one film", 1),
        ("a comedy under 2 hours", None),
        ("the second one", None),
        ("films from 1994", None),
    ],
)
def test_counts(rules: RuleUnderstanding, message: str, k: int | None) -> None:
    assert rules.understand(message, Scene()).k == k


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("directed by Hitchcock", "+director:Alfred Hitchcock"),
        ("something by Alfred Hitchcok", "+director:Alfred Hitchcock"),
        ("anything by Kurosawa?", "+director:Akira Kurosawa"),
        ("with Bill Murray", "+cast:Bill Murray"),
        ("starring Steve Buscemi", "+cast:Steve Buscemi"),
        ("Billy Wilder films", "+director:Billy Wilder"),
        ("hitchcock movies", "+director:Alfred Hitchcock"),
        ("nothing by Hitchcock", "-director:Alfred Hitchcock"),
    ],
)
def test_people(rules: RuleUnderstanding, message: str, expected: str) -> None:
    assert told(rules.understand(message, Scene())) == {expected}


def test_a_person_who_is_not_there_is_said(rules: RuleUnderstanding) -> None:
    assert rules.understand("directed by Agnes Varda", Scene()).unlinked == ["Agnes Varda"]


@pytest.mark.parametrize(
    ("message", "anchors"),
    [
        ("something like Fargo", ["1"]),
        ("something like Fargo but funnier", ["1"]),
        ("similar to The Godfather", ["2"]),
        ("films like godfather", ["2"]),
        ("something like The Godfahter", ["2"]),
        ('in the mood for "Groundhog Day"', ["3"]),
        ("like Fargo and Vertigo", ["1", "7"]),
        ("like In the Name of the Father, please", ["23"]),
        ("something like Some Like It Hot", ["17"]),
        ("like 2001: A Space Odyssey", ["24"]),
        ("like Sabrina (1954)", ["21"]),
        ("something like Lebowski, the big", []),
        ("I loved Fargo and Snatch", ["1", "19"]),
        ("Fargo", ["1"]),
        ("I like comedies", []),
        ("I like it when people sing", []),
    ],
)
def test_titles(rules: RuleUnderstanding, message: str, anchors: list[str]) -> None:
    assert rules.understand(message, Scene()).anchors == anchors


def test_an_unknown_title_is_said_and_nothing_is_guessed(rules: RuleUnderstanding) -> None:
    intent = rules.understand("something like Flurbington Manor", Scene())
    assert (intent.act, intent.unlinked, intent.anchors) == (Act.clarify, ["Flurbington Manor"], [])
    intent = rules.understand("a comedy like Flurbington Manor", Scene())
    assert (intent.act, intent.unlinked) == (Act.recommend, ["Flurbington Manor"])


def test_a_likely_title_is_linked_and_said(rules: RuleUnderstanding) -> None:
    assert "Godfahter" in rules.understand("something like The Godfahter", Scene()).notes[0]


def test_a_title_ruled_out_is_no_example(rules: RuleUnderstanding) -> None:
    intent = rules.understand("comedies except Groundhog Day", Scene())
    assert (intent.barred, intent.anchors) == (["3"], [])


@pytest.mark.parametrize(
    ("message", "task"),
    [
        ("hidden gems", Task.long_tail),
        ("lesser known dramas", Task.long_tail),
        ("surprise me", Task.discover),
        ("something different", Task.discover),
        ("for Christmas", Task.holiday),
        ("a Halloween film", Task.holiday),
        ("for a cold winter evening", Task.season),
        ("a comedy", Task.category),
        ("films about submarines", Task.query),
    ],
)
def test_tasks(rules: RuleUnderstanding, message: str, task: Task) -> None:
    assert rules.understand(message, Scene()).task is task


@pytest.mark.parametrize(
    ("message", "act"),
    [
        ("hello", Act.hello),
        ("thanks!", Act.thanks),
        ("help", Act.help),
        ("what can you do for me?", Act.help),
        ("what's the weather like?", Act.help),
        ("start over", Act.reset),
        ("forget all that, start over", Act.reset),
        ("undo that", Act.undo),
        ("hi, I'd like a thriller", Act.recommend),
        ("thanks, and now something French", Act.recommend),
        ("what should I watch tonight?", Act.recommend),
    ],
)
def test_acts(rules: RuleUnderstanding, scene: Scene, message: str, act: Act) -> None:
    assert rules.understand(message, scene).act is act


@pytest.mark.parametrize(
    ("message", "act", "items"),
    [
        ("why the second one?", Act.why, ["8"]),
        ("why #3?", Act.why, ["2"]),
        ("why 4?", Act.why, ["7"]),
        ("and why the last one?", Act.why, ["11"]),
        ("why did you pick Fargo?", Act.why, ["1"]),
        ("why that?", Act.why, ["8"]),
        ("what is the third about?", Act.about, ["2"]),
        ("tell me more about it", Act.about, ["8"]),
        ("who directed the first one?", Act.about, ["1"]),
        ("how long is number 4?", Act.about, ["7"]),
        ("the second", Act.about, ["8"]),
        ("is the third one scary?", Act.about, ["2"]),
        ("do you have Delicatessen?", Act.about, ["4"]),
    ],
)
def test_questions(rules: RuleUnderstanding, scene: Scene, message: str, act: Act, items: list[str]) -> None:
    intent = rules.understand(message, scene)
    assert (intent.act, intent.items) == (act, items)


@pytest.mark.parametrize(
    ("message", "seen", "anchors"),
    [
        ("I've seen it", ["8"], []),
        ("I've seen it, more like it", ["8"], ["8"]),
        ("I already saw the first two", ["1", "8"], []),
        ("I have already seen the first and the third one", ["1", "2"], []),
        ("seen 2 and 3", ["8", "2"], []),
        ("I have seen Vertigo", ["7"], []),
        ("I've seen all of them", ["1", "8", "2", "7", "11"], []),
        ("more like the second one", [], ["8"]),
        ("something like #3", [], ["2"]),
        ("I haven't seen it yet", [], []),
    ],
)
def test_seen_and_more_like(
    rules: RuleUnderstanding, scene: Scene, message: str, seen: list[str], anchors: list[str]
) -> None:
    intent = rules.understand(message, scene)
    assert (intent.seen, intent.anchors) == (seen, anchors)


def test_opinions(rules: RuleUnderstanding, scene: Scene) -> None:
    assert rules.understand("I loved the first one", scene).liked == ["1"]
    assert rules.understand("I hated the third", scene).disliked == ["2"]
    assert rules.understand("not the first one", scene).barred == ["1"]
    assert rules.understand("I'd like the usual", scene).liked == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("not that old", "+year:1988.0.."),
        ("newer please", "+year:1988.0.."),
        ("these are too old", "+year:1988.0.."),
        ("something older", "+year:..1986.0"),
        ("shorter", "+runtime:..97.0"),
        ("not so long", "+runtime:..97.0"),
        ("longer ones", "+runtime:99.0.."),
    ],
)
def test_comparing_words_use_the_slate(rules: RuleUnderstanding, scene: Scene, message: str, expected: str) -> None:
    intent = rules.understand(message, scene)
    assert told(intent) == {expected}
    assert not intent.fresh


@pytest.mark.parametrize(
    ("message", "fresh"),
    [
        ("but funnier", False),
        ("from France instead", False),
        ("without musicals", False),
        ("what about something Japanese?", False),
        ("show me more", False),
        ("make it three", False),
        ("forget the year", False),
        ("less violent", False),
        ("I want a war film", True),
        ("something like Fargo", True),
        ("a comedy", True),
        ("start over: I want a thriller", True),
    ],
)
def test_new_topic_or_refinement(rules: RuleUnderstanding, scene: Scene, message: str, fresh: bool) -> None:
    assert rules.understand(message, scene).fresh is fresh


@pytest.mark.parametrize("message", ["why the second one?", "I've seen it", "more like it", "the third"])
def test_pointing_at_nothing_is_no_guess(rules: RuleUnderstanding, message: str) -> None:
    intent = rules.understand(message, Scene())
    assert intent.items == []
    assert intent.anchors == []
    assert intent.seen == []


def test_vague_it_is_asked_back(rules: RuleUnderstanding, scene: Scene) -> None:
    unfocused = Scene(slate=scene.slate, request=scene.request)
    assert rules.understand("I've seen it", unfocused).act is Act.clarify


def test_words_no_rule_knows_are_left_for_a_second_reading(rules: RuleUnderstanding) -> None:
    intent = rules.understand("a comedy about submarines, no penguins", Scene())
    assert "submarines" in intent.residue
    assert "submarines" in intent.words
    assert "penguins" not in intent.words


@pytest.mark.parametrize(
    "message",
    ["something outside my comfort zone", "push me out of my comfort zone", "far beyond my usual stuff please"],
)
def test_an_idiom_is_not_read_by_its_words(rules: RuleUnderstanding, message: str) -> None:
    intent = rules.understand(message, Scene())
    assert (intent.task, intent.mood, told(intent)) == (Task.discover, "", set())


def test_another_form_of_a_word_is_no_slip_of_the_pen(rules: RuleUnderstanding) -> None:
    intent = rules.understand("obscure dramas my colleague talks about", Scene())
    assert (intent.mood, told(intent)) == ("", {"+genre:Drama"})
    assert rules.understand("dramas nobody talks about", Scene()).task is Task.long_tail


def test_a_kind_in_another_script_is_read_and_the_rest_said_to_be_lost(rules: RuleUnderstanding) -> None:
    intent = rules.understand("فيلم كوميدي من فضلك", Scene())
    assert told(intent) == {"+genre:Comedy"}
    assert any("In Arabic I read kinds only" in note for note in intent.notes)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("with Bill Murray and Steve Buscemi", {"+cast:Bill Murray", "+cast:Steve Buscemi"}),
        ("with Bill Murray or Steve Buscemi", {"+cast:Bill Murray|Steve Buscemi"}),
        ("without Bill Murray and Steve Buscemi", {"-cast:Bill Murray|Steve Buscemi"}),
        ("by Alfred Hitchcock and Billy Wilder", {"+director:Alfred Hitchcock|Billy Wilder"}),
    ],
)
def test_who_plays_together_and_who_made_either(rules: RuleUnderstanding, message: str, expected: set[str]) -> None:
    assert told(rules.understand(message, Scene())) == expected


def test_several_titles_are_examples_whatever_their_words_mean(rules: RuleUnderstanding) -> None:
    intent = rules.understand("I love Alien and Fargo", Scene())
    assert (set(intent.anchors), intent.lasting, told(intent)) == ({"12", "1"}, [], set())


def test_a_title_that_is_hated_without_being_on_the_table(rules: RuleUnderstanding) -> None:
    for message in ("I hated Alien", "I don't like Alien", "I can't stand Alien"):
        assert rules.understand(message, Scene()).disliked == ["12"], message


def test_an_unknown_title_behind_sci_fi_is_said(rules: RuleUnderstanding) -> None:
    assert rules.understand("sci-fi like Interstellar", Scene()).unlinked == ["Interstellar"]


def test_those_after_a_comparison_are_the_two(rules: RuleUnderstanding) -> None:
    scene = Scene(previous=Intent(act=Act.compare, items=["12", "1"]))
    assert rules.understand("four scary films like those", scene).anchors == ["12", "1"]


def test_more_like_what_was_asked_about_without_a_list(rules: RuleUnderstanding) -> None:
    assert rules.understand("more like that one, but shorter", Scene(focus="1")).anchors == ["1"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("from the last century, but the second half of it", {"+year:1950.0..1999.0"}),
        ("the first half of the 20th century", {"+year:1900.0..1949.0"}),
        ("from the second half of the eighties", {"+year:1985.0..1989.0"}),
        ("no Alfred Hitchcock, neither in front of nor behind the camera", {"-director:Alfred Hitchcock"}),
    ],
)
def test_halves_of_a_time_and_both_sides_of_the_camera(
    rules: RuleUnderstanding, message: str, expected: set[str]
) -> None:
    assert told(rules.understand(message, Scene())) == expected


def test_more_like_it_with_nothing_on_the_table_asks_back(rules: RuleUnderstanding) -> None:
    assert rules.understand("more like that one please", Scene()).act is Act.clarify


def test_a_name_that_begins_otherwise_is_not_offered_for_an_unknown_title() -> None:
    assert _alike("Interstellar", "Cinderella (1950)") < SUGGEST <= _alike("Intersteller", "Interstellar (2014)")


def test_it_may_be_what_the_same_message_names(rules: RuleUnderstanding) -> None:
    assert rules.understand('I loved the film "Alien", got anything like it?', Scene()).anchors == ["12"]
    seen = rules.understand("I've already seen Alien. any other classics like that?", Scene())
    assert (seen.act, seen.seen) == (Act.recommend, ["12"])
