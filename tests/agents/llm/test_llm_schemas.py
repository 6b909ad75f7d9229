"""What the model may answer, and what of it is believed."""

from __future__ import annotations

import json
import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from agents.llm.protocol import BudgetExceeded, TurnBudget
from agents.llm.schema import response_format
from agents.llm.schemas import IntentReply, intent_schema


def test_references_are_inlined_and_loose_schemas_keep_optional_fields():
    class Part(BaseModel):
        title: str
        """A field that is called like a schema keyword."""

    class Whole(BaseModel):
        part: Part
        other: list[Part] = []

    loose = response_format(Whole, strict=False)["json_schema"]["schema"]
    assert "$ref" not in json.dumps(loose)
    assert loose["required"] == ["part"]
    assert loose["properties"]["part"]["properties"]["title"] == {"type": "string"}
    assert response_format(Whole, strict=True)["json_schema"]["schema"]["required"] == ["part", "other"]


def test_wanted_kinds_come_from_the_catalogue():
    schema = intent_schema(["Comedy", "Crime"])
    assert schema(act="recommend", want=["Crime"]).want == ["Crime"]
    with pytest.raises(ValidationError):
        schema(act="recommend", want=["Film by my cousin"])
    sent = response_format(schema, strict=False)["json_schema"]["schema"]["properties"]["want"]
    assert sent["items"] == {"enum": ["Comedy", "Crime"], "type": "string"}
    assert sent["maxItems"] == 2
    assert intent_schema([]) is IntentReply


def test_words_that_were_not_said_are_dropped():
    reply = IntentReply(act="refine", like=["Moby Dick", "Fargo"], avoid=["lawyers", "songs"], want=["Comedy"])
    kept = reply.grounded("like FARGO, but no songs!")
    assert kept.like == ["Fargo"]
    assert kept.avoid == ["songs"]
    assert kept.want == ["Comedy"]


def test_contradictions_are_dropped():
    reply = IntentReply(act="refine", like=["Fargo"], avoid=["fargo", "drama"], want=["Drama"], mood="drama")
    kept = reply.grounded("fargo drama")
    assert (kept.like, kept.avoid, kept.want, kept.mood) == ([], ["drama"], [], "")


phrases = st.lists(st.text(string.ascii_lowercase + " ", min_size=1, max_size=12), max_size=3)


@given(phrases, phrases, st.text(string.ascii_lowercase + " ", max_size=40))
def test_grounding_only_ever_takes_away(like, avoid, message):
    reply = IntentReply(act="recommend", like=like, avoid=avoid)
    kept = reply.grounded(message)
    assert set(kept.like) <= set(reply.like)
    assert set(kept.avoid) <= set(reply.avoid)
    assert not {x.casefold() for x in kept.like} & {x.casefold() for x in kept.avoid}
    assert kept.grounded(message) == kept


@given(st.integers(0, 5), st.integers(0, 100))
def test_a_budget_never_gives_more_than_it_has(calls, tokens):
    budget = TurnBudget(calls=calls, tokens=tokens).start()
    taken = 0
    with suppress(BudgetExceeded):
        while taken < 10:
            budget.take_call()
            taken += 1
            budget.spend_tokens(30)
    assert taken == min(calls, -(-tokens // 30))
    assert budget.remaining_tokens >= 0
