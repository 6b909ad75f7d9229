"""Cards are held against everything labelled so far, and only against that."""

import pytest

from agents.intent import Wish
from agents.understood import Understood
from eval.labels import IntentLabel
from eval.violations import Constraints
from recsys_core.catalog.items import Item


def item(title="A", year=1995, genre=("Comedy",), **more):
    return Item(id=title, title=title, attributes={"year": year, "genre": list(genre), **more})


def hear(constraints, table=None, **label):
    constraints.hear(IntentLabel.model_validate(label), table or {})
    return constraints


def broken(constraints, *items):
    return [violation.broken for violation in constraints.check(items)]


@pytest.mark.parametrize(
    ("label", "good", "bad"),
    [
        ({"want": {"genre": "Comedy"}}, item(), item(genre=["Drama"])),
        ({"want": {"genre": ["Comedy", "War"]}}, item(genre=["War", "Comedy"]), item()),
        ({"want": {"genre": [["Comedy", "War"]]}}, item(), item(genre=["Drama"])),
        ({"avoid": {"genre": "War"}}, item(), item(genre=["Comedy", "War"])),
        ({"ranges": {"year": [1990, None]}}, item(), item(year=1989)),
        ({"ranges": {"year": [None, "<1996"]}}, item(year=1996), item(year=1997)),
        ({"avoid_ranges": {"year": [1990, 1999]}}, item(year=2000), item()),
        ({"want": {"director|cast": "Ann Bo"}}, item(cast=["Ann Bo"]), item()),
        ({"seen": "Silent River"}, item(), item("Silent River")),
        ({"barred": [2]}, item(), item("Golden River")),
        ({"lasting": {"avoid": {"genre": "War"}}}, item(), item(genre=["War"])),
    ],
)
def test_each_constraint_by_itself(label, good, bad):
    constraints = hear(Constraints(), {2: "Golden River"}, **label)
    assert broken(constraints, good) == []
    assert len(broken(constraints, bad)) == 1


def test_wishes_add_up_are_replaced_and_dropped():
    constraints = hear(Constraints(), want={"genre": "Comedy", "country": "France"})
    hear(constraints, topic="refine", ranges={"year": [1990, 1999]})
    assert broken(constraints, item(country=["Italy"], year=1980)) == ["country france; year 1990..1999"]
    hear(constraints, topic="refine", want={"country": "Italy"}, replaces="country")
    hear(constraints, topic="refine", dropped="year")
    assert broken(constraints, item(country=["Italy"], year=1980)) == []
    hear(constraints, topic="new", want={"genre": "War"})
    assert broken(constraints, item(genre=["War"])) == []


def test_undo_and_reset_take_constraints_back_but_not_what_holds_for_good():
    constraints = hear(Constraints(), want={"genre": "Comedy"}, lasting={"avoid": {"genre": "Horror"}}, seen="Old")
    hear(constraints, topic="refine", ranges={"year": [1990, None]})
    hear(constraints, act="undo")
    assert broken(constraints, item(year=1950)) == []
    assert broken(constraints, item(genre=["Drama"])) == ["genre comedy"]
    hear(constraints, act="reset")
    assert broken(constraints, item(genre=["Drama"])) == []
    constraints.new_thread()
    assert broken(constraints, item(genre=["Horror"]), item("Old")) == ["not genre horror", "known, disliked or barred"]


def test_what_the_answer_says_it_dropped_is_excused_and_nothing_else():
    def again():
        return hear(Constraints(), want={"genre": "Western", "country": "Iceland"}, avoid={"genre": "War"})

    wishes = [
        Wish(field="country", values=["Iceland"], words="from Iceland"),
        Wish(field="genre", values=["War"], negative=True, words="no war"),
    ]
    heard = Understood(act="recommend", relaxed=["from Iceland", "no war"])
    card = item(genre=["Western", "War"], country=["Italy"])
    said = again()
    said.excuse(heard, wishes, "Nothing fits all of that, so I dropped “from Iceland” and “no war”.")
    # the wish is excused; what was ruled out can't be
    assert broken(said, card) == ["not genre war"]
    silent = again()
    silent.excuse(heard, wishes, "Here you are.")
    assert broken(silent, card) == ["country iceland; not genre war"]
    unread = again()
    unread.excuse(None, wishes, "I dropped “from Iceland”.")
    assert broken(unread, card) == ["country iceland; not genre war"]
