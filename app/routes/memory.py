"""What a user said of themselves for good: list, add by words, change, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from agents.effective import condition_of
from agents.store import LastingFact
from app.access import AccessDep
from app.routes.common import ERRORS, RuntimeDep, UserPath
from app.schemas import Name, Strict
from recsys_core.catalog.catalogue import Catalogue

router = APIRouter(prefix="/v1/users", tags=["memory"], responses=ERRORS)
FactPath = Annotated[Name, Path(description="The fact")]


class WordsBody(Strict):
    """`POST` and `PATCH` of a user's memory."""

    words: Annotated[str, Field(min_length=1, max_length=300)]
    """What holds for good, in plain words: "I never watch horror"."""


class FactOut(BaseModel):
    """One thing that is remembered of a user."""

    id: str
    """Its id."""
    sentence: str
    """How it was understood."""
    said: str
    """The user's words."""
    thread_id: str
    """Conversation it was stated in; empty when it was entered here."""
    turn: int
    """Turn of that conversation; 0 when there was none."""
    created: float
    """Seconds since 1970-01-01 UTC."""
    updated: float
    """Likewise, of the last change."""
    effect: bool
    """False for a note, and for a field or value that the catalogue at hand doesn't have."""
    field: str
    """Field of the catalogue it is about; empty for a note."""
    ruled_out: bool
    """True for what must not be recommended."""
    firm: bool
    """True for what every item must satisfy; false for a preference."""


@router.get("/{user_id:path}/memory")
async def facts(user_id: UserPath, runtime: RuntimeDep, access: AccessDep) -> list[FactOut]:
    """What is remembered of a user, oldest first, with where it comes from."""
    access.user(user_id)
    found = await runtime.run(runtime.conversations.memory.of, user_id)
    catalogue = (await runtime.snapshot()).catalogue
    return [_out(fact, catalogue) for fact in found]


@router.post("/{user_id:path}/memory", status_code=201)
async def add(user_id: UserPath, body: WordsBody, runtime: RuntimeDep, access: AccessDep) -> list[FactOut]:
    """Remember what some words say. Words that link to nothing in the catalogue are kept as a note without effect."""
    access.user(user_id)
    service = runtime.conversations

    def work() -> list[FactOut]:
        rules = service.view().understanding
        return [_out(fact, rules.catalogue) for fact in service.memory.add(user_id, body.words, rules)]

    return await runtime.run(work)


@router.patch("/{user_id:path}/memory/{fact_id}")
async def edit(
    user_id: UserPath, fact_id: FactPath, body: WordsBody, runtime: RuntimeDep, access: AccessDep
) -> FactOut:
    """Put what some words say in a fact's place; where it came from stays."""
    access.user(user_id)
    service = runtime.conversations

    def work() -> FactOut:
        rules = service.view().understanding
        return _out(service.memory.edit(user_id, fact_id, body.words, rules), rules.catalogue)

    return await runtime.run(work)


@router.delete("/{user_id:path}/memory/{fact_id}")
async def remove(user_id: UserPath, fact_id: FactPath, runtime: RuntimeDep, access: AccessDep) -> dict[str, Any]:
    """Delete a fact for good."""
    access.user(user_id)
    await runtime.run(runtime.conversations.memory.remove, user_id, fact_id)
    return {"id": fact_id, "deleted": True}


def _out(fact: LastingFact, catalogue: Catalogue) -> FactOut:
    wish = fact.wish
    return FactOut(
        **fact.model_dump(exclude={"wish"}),
        effect=condition_of(wish, catalogue) is not None,
        field=wish.field if wish else "",
        ruled_out=bool(wish and wish.negative),
        firm=bool(wish and (wish.negative or wish.hard)),
    )
