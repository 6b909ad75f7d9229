"""One item's text as a person gets to read it: what is shown, what it was, what changed and how loud both are."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.reading.guide import Proposal
from agents.reading.modes import ChosenBy, Mode


class Change(BaseModel):
    """One sentence, before and after."""

    model_config = ConfigDict(extra="forbid")

    before: str
    """As it was."""
    after: str
    """As it is shown."""
    changed: bool
    """Whether the two differ."""
    reason: str
    """Why it was changed or left."""


class Reading(BaseModel):
    """One item's title and text in the mode that holds for it; the original is always beside it."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """Catalogue id."""
    mode: Mode
    """The mode that holds."""
    chosen_by: ChosenBy
    """Who chose it: `card`, `thread`, or nobody (`default`)."""
    title: str
    """The original title; untrusted text."""
    text: str
    """The original text; untrusted, empty when the catalogue has none."""
    headline: bool = False
    """The title is a sentence about the item, as of news, and may be reworded; false for a name."""
    shown_title: str
    """The title to show."""
    shown_text: str
    """The text to show, without the background."""
    background: str = ""
    """COOL: one sentence from the item's own or a related record; empty when there is none."""
    background_item: str = ""
    """Id of the item that the background is taken from."""
    method: Literal["llm", "lexicon", "unchanged"] = "unchanged"
    """Who rewrote: a language model, rules with a word list, nobody."""
    marks: list[str] = Field(default_factory=list)
    """What a reader should know of the rewriting, such as why it was left as it is."""
    sentences: list[Change] = Field(default_factory=list)
    """Title and text sentence by sentence; empty in RAW."""
    stimulus: float
    """Of the original title and text together, 0 to 1."""
    stimulus_shown: float
    """Of what is shown."""
    level: str
    """The original's stimulus in a word: quiet, lively, loud, very loud."""
    level_shown: str
    """Likewise of what is shown."""
    proposal: Proposal | None = None
    """The guide's proposal; null where the person has chosen."""
    pending: bool = False
    """True while a language model is working on a finer version."""
