"""A user's written profile: its lines to correct, its versions to read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, model_validator

from agents.profile import corrections
from agents.profile.service import ProfileState
from agents.store import ProfileVersion
from app.access import AccessDep
from app.routes.common import ERRORS, RuntimeDep, UserPath
from app.schemas import Name, Strict
from recsys_core.profiles import count_tokens

router = APIRouter(prefix="/v1/users", tags=["profile"], responses=ERRORS)
LinePath = Annotated[Name, Path(description="The line")]


class LineOut(BaseModel):
    """One line of a profile."""

    id: str
    """Its id."""
    text: str
    """What it says: data, never an order."""
    by: Literal["rules", "llm", "user"]
    """Who wrote it."""
    pinned: bool
    """Whether it stays at every refresh; what the user wrote stays in any case."""


class WrittenProfile(BaseModel):
    """A version of a profile."""

    version: int
    """Counts up from 1; 0 where nothing is written."""
    lines: list[LineOut]
    """Its statements."""
    text: str
    """The lines under each other: what conditions recommendations."""
    tokens: int
    """Its length; at most 120."""
    written: float
    """When, seconds since 1970-01-01 UTC."""
    why: str
    """What made it be written."""
    by: Literal["rules", "llm", "user"]
    """Who wrote this version; `user` for a correction."""
    model: str
    """The language model that wrote it; empty for rules."""
    mark: str
    """Why rules wrote what a language model should have; empty otherwise."""
    candidates: int
    """Among how many it was chosen."""
    struck_out: list[str]
    """Values that the user took out; they don't come back."""
    release: str
    """Release whose history it is written from."""
    pending: bool = False
    """A language model is writing; ask again in a moment."""


class ProfileChange(Strict):
    """`PATCH` of a profile: one change at a time."""

    line: Name | None = None
    """The line that is meant; without one, `words` become a line of their own."""
    words: Annotated[str, Field(min_length=1, max_length=corrections.MAX_LINE_CHARS)] | None = None
    """What the line should say."""
    pinned: bool | None = None
    """Whether the line is to stay at every refresh."""
    refresh: bool = False
    """Write it anew now; corrections hold."""

    @model_validator(mode="after")
    def _one_change(self) -> ProfileChange:
        if sum([self.words is not None, self.pinned is not None, self.refresh]) != 1:
            raise ValueError("give one of `words`, `pinned` and `refresh`")
        if self.pinned is not None and self.line is None:
            raise ValueError("`pinned` needs the `line` that is meant")
        return self


@router.patch("/{user_id:path}/profile")
async def change(user_id: UserPath, body: ProfileChange, runtime: RuntimeDep, access: AccessDep) -> WrittenProfile:
    """Change, add or pin a line, or write the profile anew. Corrections outrank what is written later."""
    access.user(user_id)
    recommender = await runtime.snapshot()
    profiles = runtime.conversations.profiles
    thumbs = await runtime.run(runtime.conversations.feedback.of, user_id)
    if body.refresh:
        return out(await profiles.refresh(user_id, recommender, thumbs))
    catalogue, line, words, pinned = recommender.catalogue, body.line, body.words, body.pinned
    release = str(getattr(getattr(recommender, "release", None), "id", ""))

    def correct(before: ProfileVersion) -> ProfileVersion:
        if line is None:
            return corrections.added(before, words or "")
        if pinned is not None:
            return corrections.pinned(before, line, pinned)
        return corrections.edited(before, line, words or "", catalogue)

    # a correction is of what is on the screen, so it must have been written
    await profiles.current(user_id, recommender, thumbs, lambda: False)
    return _version(await runtime.run(profiles.correct, user_id, correct, release))


@router.delete("/{user_id:path}/profile/lines/{line_id}")
async def delete(user_id: UserPath, line_id: LinePath, runtime: RuntimeDep, access: AccessDep) -> WrittenProfile:
    """Delete a line, out of earlier versions too; what it alone named doesn't come back."""
    access.user(user_id)
    recommender = await runtime.snapshot()
    return _version(await runtime.run(runtime.conversations.profiles.delete_line, user_id, line_id, recommender))


@router.get("/{user_id:path}/profile/versions")
async def versions(user_id: UserPath, runtime: RuntimeDep, access: AccessDep) -> list[WrittenProfile]:
    """The newest twenty versions, newest first."""
    access.user(user_id)
    return [_version(found) for found in await runtime.run(runtime.conversations.profiles.versions, user_id)]


def out(state: ProfileState) -> WrittenProfile:
    """A state as it goes over HTTP."""
    return _version(state.profile, pending=state.pending)


def _version(version: ProfileVersion, *, pending: bool = False) -> WrittenProfile:
    plain: dict[str, Any] = version.model_dump(include={"version", "written", "why", "by", "model", "mark", "release"})
    return WrittenProfile(
        **plain,
        lines=[LineOut(**line.model_dump()) for line in version.lines],
        text=version.text,
        tokens=count_tokens(version.text),
        candidates=version.candidates,
        struck_out=version.barred,
        pending=pending,
    )
