"""How a person reads items: texts in the mode that holds, choices of a mode, what the guide has learned."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from agents.errors import ThreadNotFound
from agents.reading.guide import Sensitivity, Verdict
from agents.reading.meter import MEANING
from agents.reading.modes import MODE_WORDS, ChosenBy, Mode, effective
from agents.reading.views import Reading
from app.access import AccessDep
from app.failures import ApiError
from app.routes.common import ERRORS, RuntimeDep, UserPath
from app.runtime import Runtime
from app.schemas import Name, Strict
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.errors import UnknownItemError

router = APIRouter(prefix="/v1/users", tags=["reading"], responses=ERRORS)
MOST_ITEMS = 50


class ReadBody(Strict):
    """`POST /v1/users/{user}/reading`."""

    items: Annotated[list[Name], Field(min_length=1, max_length=MOST_ITEMS)]
    """Ids of items; those that are not there are left out of the answer."""
    thread_id: Name | None = None
    """Conversation whose choices hold."""
    mode: Mode | None = None
    """In this mode, whatever was chosen; null for the mode that holds."""
    opened: bool = False
    """The person has opened these texts: they go into the diary, when it is switched on."""


class ReadOut(BaseModel):
    """Items' texts as this person gets to read them."""

    readings: list[Reading]
    """In the order asked for."""
    noted: bool
    """True when they were written into the diary."""
    scorer: str
    """What measured the stimulus."""
    meaning: str = MEANING
    """What a stimulus stands for, in words."""


class ChoiceBody(Strict):
    """`PUT /v1/users/{user}/reading/mode`."""

    thread_id: Name
    """The conversation."""
    item_id: Name | None = None
    """For this card only; null for the whole conversation."""
    mode: Mode | None
    """What to show; null takes the choice back."""


class VerdictBody(Strict):
    """`POST /v1/users/{user}/reading/verdict`."""

    item_id: Name
    """Whose text was read."""
    verdict: Verdict
    """How it was."""
    shown: Mode
    """The mode in which it was read."""


class GuideOut(BaseModel):
    """What the guide knows of a person."""

    sensitivity: Sensitivity
    """What was learned from their choices and verdicts."""
    mode: Mode
    """The mode that holds in the conversation asked about; RAW without one."""
    chosen_by: ChosenBy
    """`thread` when the person chose it, `default` when nobody did."""
    modes: dict[str, str] = Field(default_factory=lambda: {str(mode): words for mode, words in MODE_WORDS.items()})
    """What each mode shows, in words."""


@router.post("/{user_id:path}/reading")
async def read(user_id: UserPath, body: ReadBody, runtime: RuntimeDep, access: AccessDep) -> ReadOut:
    """Items' texts in the mode that holds for each, with the original beside it."""
    access.user(user_id)
    service = runtime.conversations.readings
    recommender = await runtime.snapshot()
    thread = body.thread_id or ""
    readings = await service.read(user_id, thread, body.items, recommender, body.mode)
    noted = body.opened and await service.note(user_id, thread, body.items, recommender, body.mode)
    return ReadOut(readings=readings, noted=noted, scorer=service.meter.name)


@router.put("/{user_id:path}/reading/mode")
async def choose(user_id: UserPath, body: ChoiceBody, runtime: RuntimeDep, access: AccessDep) -> dict[str, Any]:
    """Choose how texts are shown in a conversation or on one card. A choice always comes before what is proposed."""
    access.user(user_id)
    conversations = runtime.conversations
    if body.item_id is not None:
        _known(body.item_id, (await runtime.snapshot()).catalogue)
    if body.thread_id not in {thread.id for thread in await conversations.threads(user_id)}:
        raise ThreadNotFound(body.thread_id)
    on_table = [] if body.item_id else await _on_table(runtime, body.thread_id, user_id)
    await conversations.readings.choose(user_id, body.thread_id, body.mode, body.item_id or "", on_table)
    return {"thread_id": body.thread_id, "item_id": body.item_id, "mode": body.mode}


@router.post("/{user_id:path}/reading/verdict")
async def judge(user_id: UserPath, body: VerdictBody, runtime: RuntimeDep, access: AccessDep) -> Sensitivity:
    """Say of a text that was read whether it was too loud or too tame; the guide learns from it."""
    access.user(user_id)
    catalogue = (await runtime.snapshot()).catalogue
    _known(body.item_id, catalogue)
    service = runtime.conversations.readings
    await service.judge(user_id, body.item_id, body.verdict, body.shown)
    return await service.person(user_id, catalogue)


@router.get("/{user_id:path}/reading")
async def guide(
    user_id: UserPath,
    runtime: RuntimeDep,
    access: AccessDep,
    thread_id: Annotated[Name | None, Query(description="A conversation, for the mode that holds in it")] = None,
) -> GuideOut:
    """What the guide has learned of a person, and how texts are shown in a conversation."""
    access.user(user_id)
    catalogue = (await runtime.snapshot()).catalogue
    service = runtime.conversations.readings
    held = effective(await runtime.run(service.store.choices, user_id, thread_id or ""), "")
    return GuideOut(sensitivity=await service.person(user_id, catalogue), mode=held.mode, chosen_by=held.by)


@router.delete("/{user_id:path}/reading")
async def unlearn(user_id: UserPath, runtime: RuntimeDep, access: AccessDep) -> dict[str, Any]:
    """Forget what the guide has learned of a person; choices in their conversations stay."""
    access.user(user_id)
    await runtime.run(runtime.conversations.readings.store.unlearn, user_id)
    return {"user_id": user_id, "deleted": True}


def _known(item_id: str, catalogue: Catalogue) -> None:
    if item_id not in catalogue:
        raise ApiError(404, "unknown_item", str(UnknownItemError([item_id])), "item_id")


async def _on_table(runtime: Runtime, thread_id: str, user_id: str) -> list[str]:
    history = await runtime.conversations.history(thread_id, user_id)
    slates = [message.slate for message in history.messages if message.slate]
    return [card.item_id for card in slates[-1]] if slates else []
