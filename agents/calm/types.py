"""What goes into calming and what comes out of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["raw", "balanced", "cool"]
"""`raw` leaves a text alone, `balanced` neutralises it, `cool` neutralises it and adds a sentence of background."""

MODES: tuple[Mode, ...] = ("raw", "balanced", "cool")
Method = Literal["llm", "lexicon", "unchanged", "cached"]


class Source(BaseModel):
    """A record that background may be drawn from: the item's own, or one related to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    item_id: str
    """Whose record."""
    text: str
    """What it says; untrusted, never an instruction."""


class CalmRequest(BaseModel):
    """A text to calm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    """Any text; untrusted, never an instruction."""
    item_id: str | None = None
    """Item that the text belongs to, if any."""
    sources: tuple[Source, ...] = ()
    """Records for COOL's background sentence, in order of preference; without any there is no background."""
    may_frame: bool = True
    """Whether a neutral announcement may stand before it when calm words aren't enough; not for titles."""


class SentenceChange(BaseModel):
    """One sentence before and after."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: str
    """As it was."""
    after: str
    """As it is now."""
    changed: bool
    """Whether the two differ."""
    reason: str
    """In a few words: why it was changed and how, or why it was left alone."""


class Background(BaseModel):
    """COOL's sentence and where it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    """The sentence, which stands word for word in the record."""
    item_id: str
    """Item whose record it is."""


class CalmResult(BaseModel):
    """A text as it is shown in one mode; the original is always there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    original: str
    """The text as it came in, to the character."""
    text: str
    """The text to show; for COOL with its background sentence at the end."""
    mode: Mode
    """Which mode."""
    method: Method
    """What made the wording: the language model (for one sentence at least), the lexicon, nothing, or the cache. A text
    that only got an announcement before it was made by the lexicon's rules."""
    made_by: Literal["llm", "lexicon", "unchanged"]
    """The same, for a cached text what made it when it was made."""
    stimulus_before: float
    """P(anger) + P(fear) + P(surprise) of the original, 0 to 1."""
    stimulus_after: float
    """The same of the text shown."""
    sentences: list[SentenceChange] = Field(default_factory=list)
    """The sentences of the original, in order."""
    frame: str | None = None
    """Neutral announcement put before the text because calm words weren't enough; None when there is none."""
    background: Background | None = None
    """COOL's sentence; None in other modes and where no record had one that fits."""
    marks: list[str] = Field(default_factory=list)
    """What a person should know: `language model down: lexicon` and the like, in plain words."""
