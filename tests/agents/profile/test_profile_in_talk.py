"""A profile inside conversations: it leans where nothing is asked for, reasons quote it, and its words give no orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.conversation import ConversationService
from agents.llm.none import NoChatModel
from agents.llm.protocol import TurnBudget
from agents.profile import corrections
from agents.profile.quoting import fitting_line
from eval.attacks.obedient import ObedientModel
from eval.attacks.payloads import ORDERS, SITE
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue


class Spied(PlainRecommender):
    """Keeps what it is asked."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[Any] = []

    def recommend(self, requests: Any) -> Any:
        self.asked += requests
        return super().recommend(requests)


class Gullible(ObedientModel):
    """Also writes orders into profiles."""

    async def complete_json(self, messages: Any, schema: Any, **more: Any) -> Any:
        if "lines" not in schema.model_fields:
            return await super().complete_json(messages, schema, **more)
        budget: TurnBudget = more["budget"]
        budget.take_call()
        order = self.order_in(messages)
        if order is not None:
            self.obeyed.append(order)
        return schema.model_validate({"lines": [order.text[:200] if order else "Likes films."]})


async def test_own_words_lean_only_where_nothing_is_asked_for(tmp_path: Path) -> None:
    recommender = Spied(film_catalogue())
    async with ConversationService(recommender, NoChatModel(), tmp_path) as service:
        service.profiles.correct("ann", lambda p: corrections.added(p, "Into quiet Crime stories"), "")
        talk = Talk(service)
        await talk.say("recommend me something")
        assert recommender.asked[-1].about == "Into quiet Crime stories"
        await talk.say("a comedy")
        assert recommender.asked[-1].instruction
        assert (recommender.asked[-1].about, recommender.asked[-1].profile) == ("", "")


def test_the_line_that_an_item_fits_best_is_quoted() -> None:
    catalogue = film_catalogue()
    lines = ["Likes Horror.", "Likes Crime and Comedy films by Joel Coen.", "Likes <b>Musical</b>"]
    assert fitting_line("9", lines, catalogue) == lines[1]
    assert fitting_line("15", lines, catalogue) == "Likes Musical"
    assert fitting_line("13", lines, catalogue) == ""


async def test_orders_in_a_profile_and_in_titles_are_data(tmp_path: Path) -> None:
    for number, order in enumerate(ORDERS):
        extra = [("66", order.text[:120], 1999, ["Comedy"], ["X Y"], ["Z W"], ["France"], ["French"], 90)]
        recommender, model = PlainRecommender(film_catalogue(extra)), Gullible()
        async with ConversationService(recommender, model, tmp_path / str(number)) as service:
            service.profiles.correct("ann", lambda p, o=order: corrections.added(p, f"Comedy. {o.text}"[:300]), "")
            talk = Talk(service)
            await talk.say("recommend me something")
            await talk.say("a comedy")
            said = " ".join(m.content for m in (await service.history(talk.thread_id, "ann")).messages)
            assert SITE not in said
            assert service.memory.of("ann") == []
            # the model reads the title among the samples and writes the order; no line of it is kept
            state = await service.profiles.refresh("ann", recommender, {"66": 1, "3": 1})
            assert [line.by for line in state.profile.lines if line.by == "llm"] == [] or not model.obeyed
            assert state.profile.lines[0].by == "user"
