"""What a scripted conversation looks like: turns that are said, and what must hold of each answer.

Expectations are about items, facts and steps, never about wording, so one script serves every language model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eval.labels import IntentLabel
from recsys_core.catalog.filters import ItemFilter
from recsys_core.errors import ConfigError

SCRIPTS = Path(__file__).parent / "conversations"
"""The scripts that come with Sidra."""

KNOWN_USER = "known"
"""Says that a script needs somebody with a history; the runner picks one from the data set."""


Fault = Literal["slow", "down", "malformed", "truncated", "looping"]
"""How a language model fails: too late, not at all, with broken JSON, in mid-sentence, or without end."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldCheck(_Strict):
    """A statement about one fact of the cards."""

    field: str
    """Attribute of the catalogue."""
    contains: str | None = None
    """The value is, or the tags hold, this text; upper and lower case are one."""
    one_of: list[str] | None = None
    """The value is, or the tags hold, one of these."""
    at_least: float | None = None
    """The number is not below this."""
    at_most: float | None = None
    """The number is not above this."""
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Least share of the cards for which it must hold; 1 is every card, 0.01 is any card."""

    @model_validator(mode="after")
    def _says_something(self) -> FieldCheck:
        if all(v is None for v in (self.contains, self.one_of, self.at_least, self.at_most)):
            raise ValueError(f"the check on '{self.field}' needs contains, one_of, at_least or at_most")
        return self


class Cards(_Strict):
    """How many cards a turn brings."""

    min: int = Field(default=1, ge=0)
    """At least."""
    max: int = Field(default=20, ge=0)
    """At most."""


class Expect(_Strict):
    """What must hold of one answer.

    Asked of every answer and not written: cards exist, are unique, numbered from 1, show the catalogue's own facts and
    satisfy the page's filter; there is a text; the stream begins, ends and keeps its order; one release answers.
    """

    cards: Cards | None = None
    """How many cards this turn brings; not asked when missing."""
    all: list[FieldCheck] = Field(default_factory=list)
    """Statements about the cards of this turn."""
    none: list[FieldCheck] = Field(default_factory=list)
    """Statements that hold for no card of this turn (``share`` has no meaning here)."""
    not_titles: list[str] = Field(default_factory=list)
    """Titles that no card bears."""
    not_slots: list[int] = Field(default_factory=list)
    """Slots of the slate before this turn whose items no card repeats."""
    keeps_slate: bool = False
    """The turn brings no other items than those on the table."""
    changed: bool = False
    """The turn brings a slate with other items than the one before."""
    nothing_shown_before: bool = False
    """No item of this turn was shown earlier in the conversation."""
    higher_than_before: str | None = None
    """Number field whose mean over the cards rose against the slate before."""
    lower_than_before: str | None = None
    """Number field whose mean over the cards fell against the slate before."""
    speaks_of_slot: int | None = None
    """The text names the title in this slot of the slate on the table."""
    grounded: bool = True
    """The text names no catalogue title and no number that it can't have from cards, facts or the user."""
    text_without: list[str] = Field(default_factory=list)
    """Texts that must not occur in the answer (leaked prompts, echoed markup); upper and lower case are one."""
    steps: list[str] = Field(default_factory=list)
    """Nodes of the graph that must have run."""
    degraded: bool | None = None
    """Whether the answer says it was finished without something; not asked when missing."""
    exhausted: bool | None = None
    """Whether the answer says that fewer items are allowed than asked for; not asked when missing."""
    cold_start: bool | None = None
    """Whether the answer says that nothing is known of the user; not asked when missing."""
    refused: Literal["never", "may", "must"] = "never"
    """Whether the API refuses the turn with a typed 4xx; of a refused turn nothing else is asked."""


class Thumb(_Strict):
    """A thumb given before a turn is said."""

    slot: int = Field(ge=1)
    """Slot on the table."""
    value: Literal[-1, 1]
    """Down or up."""


class Turn(_Strict):
    """One thing said."""

    say: str
    """The message; ``{repeat:N:text}`` stands for ``text`` N times."""
    feedback: list[Thumb] = Field(default_factory=list)
    """Thumbs given on the slate on the table, before saying it."""
    filter: ItemFilter | None = None
    """Rule set on the page for this turn; instead of the script's."""
    new_thread: bool = False
    """Begin another conversation of the same user."""
    fault: Fault | None = None
    """What is wrong with the language model during this turn; such scripts are skipped where it can't be arranged."""
    intent: IntentLabel | None = None
    """What the person means, labelled by hand; not scored when missing."""
    expect: Expect = Field(default_factory=Expect)
    """What must hold of the answer."""

    def message(self) -> str:
        """The text that is sent."""
        if self.say.startswith("{repeat:") and self.say.endswith("}"):
            count, _, text = self.say[len("{repeat:") : -1].partition(":")
            return text * int(count)
        return self.say


class Requires(_Strict):
    """What the catalogue must hold for a script to mean anything; scripts that don't fit are skipped and counted."""

    fields: list[str] = Field(default_factory=list)
    """Fields of the catalogue."""
    titles: list[str] = Field(default_factory=list)
    """Titles of items."""


class Script(_Strict):
    """One conversation."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    """Unique name."""
    kind: str
    """Kind of request."""
    about: str
    """What it shows, one sentence."""
    user: str | None = None
    """``known`` for somebody with a history, an id for that user; a new guest when missing."""
    k: int = Field(default=5, ge=1, le=20)
    """Cards asked for."""
    filter: ItemFilter | None = None
    """Rule set on the page for all turns."""
    requires: Requires = Field(default_factory=Requires)
    """What the catalogue must hold."""
    turns: list[Turn] = Field(min_length=1)
    """What is said, in order."""


def load_script(path: Path) -> Script:
    """Read one script.

    Raises:
        ConfigError: names the file, the place in it and what is wrong.
    """
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Script.model_validate(data)
    except OSError as error:
        raise ConfigError(f"script {path.name} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"script {path.name} is not valid YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = _place(first["loc"])
        raise ConfigError(f"script {path.name}, {place}: {first['msg']}") from error


def _place(loc: tuple[int | str, ...]) -> str:
    """Where a mistake is, as a person counts: "turn 2, intent.want"."""
    if len(loc) >= 2 and loc[0] == "turns" and isinstance(loc[1], int):
        rest = ".".join(str(part) for part in loc[2:])
        return f"turn {loc[1] + 1}" + (f", {rest}" if rest else "")
    return ".".join(str(part) for part in loc) or "top level"


def load_scripts(folder: Path = SCRIPTS, only: tuple[str, ...] = ()) -> list[Script]:
    """Read all scripts of a folder, or those named.

    Args:
        folder: holds ``*.yaml``.
        only: names to keep; all when empty.

    Raises:
        ConfigError: no script, a broken one, two of one name, or a name that isn't there.
    """
    scripts = [load_script(path) for path in sorted(folder.glob("*.yaml"))]
    names = [s.name for s in scripts]
    if not scripts:
        raise ConfigError(f"folder '{folder.name}' holds no *.yaml scripts")
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ConfigError(f"two scripts are named '{twice[0]}'; names must be unique")
    missing = sorted(set(only) - set(names))
    if missing:
        raise ConfigError(f"no script is named '{missing[0]}'; there are {', '.join(sorted(names))}")
    return [s for s in scripts if not only or s.name in only]
