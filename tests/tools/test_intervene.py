"""Whatever is called decisive drops the item when it is really taken away; on a release built for real."""

from __future__ import annotations

import random

import pytest

from agents.measured import measured_text
from recsys_core.catalog.filters import Condition, ItemFilter
from recsys_core.serving.recommender import Recommender
from tools import ToolAccess, ToolContext, registry
from tools.intervene import InterveneArguments, Intervention, Removal
from tools.recommend import RecommendArguments, RecommendResult
from tools.titles import TitleIndex


class WithHistory:
    """The recommender for a user whose history is what a test says."""

    def __init__(self, recommender: Recommender, history: list[str]) -> None:
        self._recommender, self._history = recommender, history

    def __getattr__(self, name: str) -> object:
        return getattr(self._recommender, name)

    def history(self, user_id: str, limit: int | None = None) -> list[str]:
        return self._history


def context(recommender: Recommender, history: list[str]) -> ToolContext:
    access = ToolAccess.to("test", {"recommend", "intervene"}, limit=10_000)
    return ToolContext(WithHistory(recommender, history), TitleIndex(recommender.catalogue.titles), "u", {}, access)


def slate(args: RecommendArguments, at: ToolContext) -> list[str]:
    return [item.item_id for item in registry.invoke("recommend", args, RecommendResult, at).items]


@pytest.mark.parametrize("seed", range(12))
def test_what_is_called_decisive_drops_the_item_and_the_rest_does_not(tiny_recommender: Recommender, seed: int) -> None:
    chance = random.Random(seed)
    catalogue = tiny_recommender.catalogue
    user = chance.choice(tiny_recommender.log.users)
    history = tiny_recommender.history(user)[-10:]
    values = catalogue.fields["genre"].values
    wanted, barred = chance.sample(values[:6], 2)
    like = ItemFilter(all_of=[Condition(field="genre", op="contains", value=wanted)])
    both = ItemFilter(all_of=like.all_of, none_of=[Condition(field="genre", op="contains", value=barred)])
    prefer = [like] if seed % 2 else []
    args = RecommendArguments(filter=both if seed % 3 else None, prefer=prefer, k=5, instruction=wanted.lower())
    variants = [
        args.model_copy(update={"filter": None}),
        args.model_copy(update={"filter": like}),
        args.model_copy(update={"instruction": "", "prefer": []}),
    ]
    at = context(tiny_recommender, history)
    order = slate(args, at)
    item = chance.choice(order)
    asked = InterveneArguments(item_id=item, request=args, without=variants, budget_ms=600_000)
    result = registry.invoke("intervene", asked, Intervention, at)
    assert (result.place, result.complete) == (order.index(item) + 1, True)
    assert len([r for r in result.removals if r.wish is not None]) == 3
    decisive = result.decisive()
    for removal in result.removals:
        if removal.wish is not None:
            now = slate(variants[removal.wish], at)
        else:
            rest = [i for i in history if i not in removal.item_ids]
            gone = args.model_copy(update={"exclude": removal.item_ids})
            now = slate(gone, context(tiny_recommender, rest))
        assert (item in now) == (removal not in decisive), removal
        if removal.place is not None and removal.place <= args.k:
            assert now.index(item) + 1 == removal.place


def test_without_time_nothing_is_claimed(tiny_recommender: Recommender) -> None:
    at = context(tiny_recommender, tiny_recommender.history(tiny_recommender.log.users[0]))
    args = RecommendArguments(k=5)
    asked = InterveneArguments(item_id=slate(args, at)[0], request=args, without=[args], budget_ms=0)
    result = registry.invoke("intervene", asked, Intervention, at)
    assert (result.removals, result.complete) == ([], False)
    assert measured_text(result, ["x"]) == ""


def made(place: int | None, *removals: Removal, complete: bool = True) -> Intervention:
    return Intervention(item_id="1", size=5, place=place, removals=list(removals), complete=complete)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (made(2, Removal(wish=0, place=None)), "Without “French” in your request it would not be on the list."),
        (
            made(2, Removal(wish=0, place=2), Removal(item_ids=["a"], titles=["Fargo (1996)"], place=9)),
            "Without Fargo in your history it would not be on the list.",
        ),
        (
            made(1, Removal(item_ids=["a"], titles=["Fargo"], place=3), Removal(item_ids=["a", "b"], titles=["Fargo", "Heat"], place=7)),
            "Without Fargo and Heat in your history it would not be on the list.",
        ),
        (
            made(1, Removal(item_ids=["a"], titles=["Fargo"], place=3), Removal(item_ids=["a", "b"], titles=["Fargo", "Heat"], place=4)),
            "Fargo and Heat in your history moved it from place 4 to place 1.",
        ),
        (made(1, Removal(wish=0, place=1)), "It stays on the list without any single wish that I took away."),
        (made(None, Removal(wish=0, place=1)), ""),
        (made(7, Removal(wish=0, place=None)), ""),
        (
            made(1, Removal(wish=0, place=None), complete=False),
            "Without “French” in your request it would not be on the list. There was no time to try everything.",
        ),
    ],
)  # fmt: skip
def test_the_words_say_what_was_measured(result: Intervention, text: str) -> None:
    assert measured_text(result, ["“French”"]) == text
