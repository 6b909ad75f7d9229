"""What a person means by one message of a script, written down by hand: values, titles and numbers by name.

Labels say what is meant, never what Sidra understands. How they are compared with what was understood stands in
`eval/intent_score.py`, how cards are held against them in `eval/violations.py`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

ActName = Literal["recommend", "why", "about", "compare", "clarify", "hello", "thanks", "help", "reset", "undo"]
TaskName = Literal["long_tail", "discover", "season", "holiday"]
_STRICT_BOUND = re.compile(r"^[<>]\s*-?\d+(?:\.\d+)?$")


def _as_list(value: Any) -> Any:
    """One value may stand without brackets."""
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def _bound(value: Any) -> Any:
    if isinstance(value, str) and not _STRICT_BOUND.match(value):
        raise ValueError(f"a bound is a number, null, or a strict one such as '<90' or '>1990', not {value!r}")
    return value


Bound = Annotated[str | float | None, BeforeValidator(_bound)]
"""End of a range: a number, none, or ``"<90"`` and ``">1990"`` where the words leave the number itself open."""
Range = tuple[Bound, Bound]
"""Lower and upper end."""
Names = Annotated[list[str], BeforeValidator(_as_list)]
"""One or more names."""
Wanted = Annotated[list[str | list[str]], BeforeValidator(_as_list)]
"""Values that must all be there; a list inside the list is satisfied by any of its values ("either ... or")."""
Items = Annotated[list[str | int], BeforeValidator(_as_list)]
"""Items by title, or by their slot on the table before the message."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Lasting(_Strict):
    """What somebody says of themself for good; holds now as well."""

    want: dict[str, Wanted] = Field(default_factory=dict)
    """Field -> values that are always welcome."""
    avoid: dict[str, Names] = Field(default_factory=dict)
    """Field -> values that are never welcome."""

    @model_validator(mode="after")
    def _says_something(self) -> Lasting:
        if not self.want and not self.avoid:
            raise ValueError("lasting needs want or avoid")
        return self


class IntentLabel(_Strict):
    """One message as a person means it.

    A field may be written ``director|cast`` where the words leave open which of them is meant.
    """

    act: ActName = "recommend"
    """Kind of turn."""
    topic: Literal["new", "refine"] | None = None
    """A new request, or a change to the running one; not asked when missing (a first message is always new)."""
    want: dict[str, Wanted] = Field(default_factory=dict)
    """Field -> values asked for."""
    avoid: dict[str, Names] = Field(default_factory=dict)
    """Field -> values ruled out."""
    ranges: dict[str, Range] = Field(default_factory=dict)
    """Number field -> explicit range asked for."""
    avoid_ranges: dict[str, Range] = Field(default_factory=dict)
    """Number field -> explicit range ruled out."""
    moves: dict[str, Literal["up", "down"]] = Field(default_factory=dict)
    """Number field -> direction without a number: "newer" is year up, "too long" is runtime down."""
    k: int | None = Field(default=None, ge=1, le=50)
    """How many items."""
    like: Items = Field(default_factory=list)
    """Examples that results should resemble."""
    seen: Items = Field(default_factory=list)
    """Items the person knows."""
    liked: Items = Field(default_factory=list)
    """Items the person says they liked."""
    disliked: Items = Field(default_factory=list)
    """Items the person says they disliked."""
    barred: Items = Field(default_factory=list)
    """Items that must not come ("anything but Star Wars")."""
    items: Items = Field(default_factory=list)
    """Items that a why, about or compare turn speaks of, also slots that aren't there."""
    more: bool = False
    """Wants other items for the same request."""
    task: TaskName | None = None
    """Special request: hidden gems, something unusual, a season, a holiday."""
    mood: Names = Field(default_factory=list)
    """Moods asked for; a mood is not a kind unless the kind is said."""
    no_mood: Names = Field(default_factory=list)
    """Moods ruled out."""
    asks_back: bool = False
    """A question must come back before an answer can be any good."""
    unlinked: Names = Field(default_factory=list)
    """Titles and names that the catalogue doesn't have."""
    lasting: Lasting | None = None
    """Said for good; what is ruled out here is also ruled out now, without being written twice."""
    dropped: Names = Field(default_factory=list)
    """Fields on which the person takes back what they asked for ("any country will do")."""
    replaces: Names = Field(default_factory=list)
    """Fields on which this message overrules earlier wishes ("Italian ones then"); for the cards only, not scored."""
    explicit: bool | None = None
    """Whether numbers or names are said outright; None: when the label holds any (False for "it" and "that one")."""

    def titles(self) -> list[str]:
        """Every title the label names."""
        groups = (self.like, self.seen, self.liked, self.disliked, self.barred, self.items)
        return [item for group in groups for item in group if isinstance(item, str)]

    def values(self) -> dict[str, set[str]]:
        """Field (alternatives apart) -> every value that the label names."""
        found: dict[str, set[str]] = {}
        parts: list[dict[str, Any]] = [self.want, self.avoid]
        if self.lasting is not None:
            parts += [self.lasting.want, self.lasting.avoid]
        for part in parts:
            for field, values in part.items():
                for name in field.split("|"):
                    found.setdefault(name, set()).update(flat(values))
        return found

    def fields(self) -> set[str]:
        """Every field that the label names, alternatives apart."""
        numbers = {*self.ranges, *self.avoid_ranges, *self.moves, *self.dropped, *self.replaces}
        return {name for field in (*self.values(), *numbers) for name in field.split("|")}


def flat(values: list[str | list[str]] | list[str]) -> list[str]:
    """Values without the brackets of "either ... or"."""
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def accepts_bound(label: str | float | None, value: float | None) -> bool:
    """Whether a number is the end of a range that a label names.

    A strict bound is met by the number itself and by anything up to the next whole number inside, since people say
    "under 90" both ways.
    """
    if isinstance(label, str):
        edge = float(label[1:])
        if value is None:
            return False
        return edge - 1 <= value <= edge if label[0] == "<" else edge <= value <= edge + 1
    return label == value


def number(label: str | float | None) -> float | None:
    """The number in a bound."""
    return float(label[1:]) if isinstance(label, str) else label
