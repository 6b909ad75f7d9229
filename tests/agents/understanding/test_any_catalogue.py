"""The rules are made of the catalogue's own fields, so other things than films work too; nothing makes them fail."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.question import best_question
from agents.state import SlateCard, WorkingRequest
from agents.understanding.rules import RuleUnderstanding
from agents.understanding.scene import Scene
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import ItemFilter
from tools.titles import TitleIndex


@pytest.mark.parametrize(
    ("message", "field", "values", "low", "high", "negative"),
    [
        ("black boots", "colour", ["black"], None, None, False),
        ("black boots", "category", ["Boots"], None, None, False),
        ("no sandals", "category", ["Sandals"], None, None, True),
        ("under $100", "price", [], None, 100.0, False),
        ("cheaper than 50 euros", "price", [], None, 50.0, False),
        ("at least 4 stars", "stars", [], 4.0, None, False),
        ("weight under 500", "weight", [], None, 500.0, False),
        ("anything by Acme", "brand", ["Acme"], None, None, False),
        ("only what is in stock", "in_stock", ["true"], None, None, False),
        ("something for winter sports", "category", ["Winter Sports"], None, None, False),
    ],
)
def test_a_shop(
    shop: RuleUnderstanding,
    message: str,
    field: str,
    values: list[str],
    low: float | None,
    high: float | None,
    negative: bool,
) -> None:
    wishes = shop.understand(message, Scene()).wishes
    assert (field, values, low, high, negative) in [(w.field, w.values, w.low, w.high, w.negative) for w in wishes]


def test_the_question_splits_best_and_suits_any_catalogue(shop: RuleUnderstanding) -> None:
    catalogue = shop.catalogue
    best = best_question(catalogue.offered, catalogue, shop.roles)
    assert best is not None
    assert best.bits > 1.4
    masks = [
        ItemFilter(all_of=[o.wishes[0].condition("string")]).mask(catalogue) for o in best.offers if o.wishes[0].values
    ]
    assert all(mask.any() for mask in masks)
    one = catalogue.offered.copy()
    one[1:] = False
    assert best_question(one, catalogue, shop.roles) is None


def test_a_catalogue_without_attributes() -> None:
    bare = Catalogue(pl.DataFrame({"id": ["1"], "title": ["Alone"]}))
    rules = RuleUnderstanding(bare, TitleIndex(bare.titles))
    intent = rules.understand("funny French films from the 90s under 2 hours like Alone, not that old", Scene())
    assert intent.wishes == []
    assert intent.anchors == ["1"]


_PIECES = st.sampled_from(
    [
        "why", "the second one", "#99", "it", "like", "Fargo", "not", "no", "but", "horror", "from the 90s", "under", "2 hours",
        '"', "'", "(", ")", ",", "or", "and", "by", "with", "seen", "more", "½", "١٩٩٠", "İstanbul", "ﬁlm", "🍿", "\u202e", "1990", "-",
        "directed by", "anything but", "the first", "12", "%", "{", "<b>", "\\d+", "ß", "½ hours", "0 films", "99999999999999999999 films",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(_PIECES, max_size=12).map(" ".join)))
def test_no_message_breaks_the_rules(films_rules: RuleUnderstanding, message: str) -> None:
    catalogue = films_rules.catalogue
    slate = [SlateCard(slot=n, item_id=i, title=catalogue.get(i).title) for n, i in enumerate(["1", "2", "3"], start=1)]
    for scene in (Scene(), Scene(slate=slate, focus="2", request=WorkingRequest(words="x"))):
        intent = films_rules.understand(message, scene)
        for wish in intent.wishes:
            assert wish.condition(catalogue.fields[wish.field].kind.value).mask(catalogue).shape == (len(catalogue),)
        for item_id in (*intent.anchors, *intent.items, *intent.seen, *intent.liked, *intent.disliked, *intent.barred):
            assert item_id in catalogue
        assert intent.k is None or 1 <= intent.k <= 50


@pytest.fixture(scope="module")
def films_rules(films: Catalogue) -> RuleUnderstanding:
    return RuleUnderstanding(films, TitleIndex(films.titles, films.numbers("year")))
