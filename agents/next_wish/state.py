"""What suggestions are made of, and what is remembered between two looks at one person."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agents.intent import Wish
from recsys_core.interests.shift import ShiftConfig
from tools.wishes import Interest


class Suggestion(BaseModel):
    """One wish that the person may have next."""

    model_config = ConfigDict(extra="forbid")

    text: str
    """What a click on it says."""
    wishes: list[Wish]
    """How that is understood."""
    probability: float
    """That the next item has all of it, as the recommender expects, 0 to 1."""
    share: float
    """Share of the catalogue that has all of it, 0 to 1."""
    by: Literal["rules", "llm"]
    """Who thought of it."""


class Suggestions(BaseModel):
    """Up to three suggestions and how they came about."""

    model_config = ConfigDict(extra="forbid")

    chips: list[Suggestion]
    """The one that covers most first."""
    shift: float | None
    """How far interest has moved since a language model was last asked, 0 to 1; None at the first look."""
    moved: bool
    """Whether that is far enough to ask again; true at the first look."""
    pending: bool = False
    """A language model is thinking; ask again in a moment for what it adds."""
    release: str
    """Release that the suggestions are about."""
    degraded: bool = False
    """True when a language model should have been asked and couldn't be."""
    degraded_reason: str = ""
    """Why, one sentence."""


class NextWishConfig(BaseModel):
    """When to ask a language model for suggestions, and what it may cost."""

    model_config = ConfigDict(extra="forbid")

    chips: int = Field(default=3, ge=1, le=10)
    """How many suggestions at most."""
    shift: ShiftConfig = Field(default_factory=ShiftConfig)
    """When interest counts as moved."""
    context_tokens: int = Field(default=160, ge=0)
    """Tokens of context that the prompt may hold."""
    seconds: float = Field(default=30.0, gt=0)
    """What one question to the language model may take."""
    remembered: int = Field(default=5_000, ge=1)
    """People whose last look is kept; the one not seen for longest is forgotten first."""


@dataclass
class Look:
    """One person's interest when a language model was last asked, and what it proposed.

    Attributes:
        spread: float64[n_tags].
        proposals: tags of each proposal.
        failure: why the model proposed nothing; empty when it did.
    """

    spread: NDArray[np.float64]
    proposals: list[list[Interest]] = field(default_factory=list)
    failure: str = ""


class Looks:
    """The last look at each person, the oldest forgotten first. In memory only: a restart asks again.

    Args:
        limit: how many people.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_person: OrderedDict[tuple[str, str], Look] = OrderedDict()

    def get(self, user_id: str, release: str) -> Look | None:
        """The look at a person under a release."""
        look = self._by_person.get((user_id, release))
        if look is not None:
            self._by_person.move_to_end((user_id, release))
        return look

    def put(self, user_id: str, release: str, look: Look) -> None:
        """Remember a look."""
        self._by_person[user_id, release] = look
        self._by_person.move_to_end((user_id, release))
        while len(self._by_person) > self._limit:
            self._by_person.popitem(last=False)

    def forget(self, user_id: str) -> None:
        """Forget a person."""
        for key in [key for key in self._by_person if key[0] == user_id]:
            del self._by_person[key]

    def __len__(self) -> int:
        return len(self._by_person)
