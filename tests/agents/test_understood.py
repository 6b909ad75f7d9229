"""What was understood is told with the end of every turn."""

import pytest

from agents.conversation import ConversationService
from agents.events import EndEvent


async def ends(service: ConversationService, *messages: str) -> list[EndEvent]:
    thread, found = None, []
    for message in messages:
        async for event in service.turn(message=message, user_id="ann", thread_id=thread, k=5):
            if isinstance(event, EndEvent):
                thread = event.thread_id
                found.append(event)
    return found


async def test_wishes_items_and_the_running_request(service: ConversationService) -> None:
    first, second, third = await ends(
        service, "give me two crime films like Fargo", "only from the 90s", "why the first one?"
    )
    told = first.understood
    assert told is not None
    assert (told.act, told.fresh, told.k) == ("recommend", True, 2)
    assert [wish.values for wish in told.wishes] == [["Crime"]]
    assert [item.item_id for item in told.like] == ["1"]
    assert [item.title for item in told.like] == ["Fargo (1996)"]
    told = second.understood
    assert told is not None
    assert not told.fresh
    assert [(wish.field, wish.low, wish.high) for wish in told.wishes] == [("year", 1990, 1999)]
    assert [wish.field for wish in told.request] == ["genre", "year"]
    told = third.understood
    assert told is not None
    assert told.act == "why"
    assert [item.item_id for item in told.items] == [second.cards[0].item_id]


async def test_what_was_dropped_because_nothing_fits(service: ConversationService) -> None:
    (end,) = await ends(service, "a Japanese musical")
    assert end.understood is not None
    assert end.understood.relaxed
    assert all(words in end.text for words in end.understood.relaxed)
    assert len(end.understood.request) < len(end.understood.wishes)


async def test_it_travels_as_json(service: ConversationService) -> None:
    (end,) = await ends(service, "a comedy")
    assert EndEvent.model_validate_json(end.model_dump_json()) == end


@pytest.mark.parametrize("message", ["hello", "thanks"])
async def test_small_talk_has_no_wishes(service: ConversationService, message: str) -> None:
    (end,) = await ends(service, message)
    assert end.understood is not None
    assert end.understood.act == message
    assert end.understood.wishes == []
