"""What one message asks for, in a form that code can act on."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.catalog.filters import Condition
from recsys_core.generator.protocol import Task


class Act(StrEnum):
    """What kind of turn it is."""

    recommend = "recommend"
    """Wants items."""
    why = "why"
    """Asks why an item was recommended."""
    about = "about"
    """Asks what an item is."""
    compare = "compare"
    """Asks how two items differ."""
    clarify = "clarify"
    """Speaks of "it" or a slot that isn't there: ask back."""
    hello = "hello"
    """Greets."""
    thanks = "thanks"
    """Thanks or says good-bye."""
    help = "help"
    """Asks what can be asked."""
    reset = "reset"
    """Forget the running request."""
    undo = "undo"
    """Back to the request before."""
    memory = "memory"
    """Asks what is remembered of them, or takes some of it back."""
    reading = "reading"
    """Says how texts are to be shown, and nothing else."""


class OfferKind(StrEnum):
    """What an offer is about."""

    choice = "choice"
    """One of the answers to a question about taste."""
    meant = "meant"
    """What an unknown name may have meant."""
    drop = "drop"
    """Wishes whose dropping would bring more."""
    dropped = "dropped"
    """Wishes that were dropped because nothing fitted."""


class Wish(BaseModel):
    """One condition or preference on one field of the catalogue."""

    model_config = ConfigDict(extra="forbid")

    field: str
    """Name of the catalogue's field."""
    values: list[str] = Field(default_factory=list)
    """Any of these values (strings, tags); empty for a range."""
    low: float | None = None
    """Lower bound of a range, inclusive."""
    high: float | None = None
    """Upper bound of a range, inclusive."""
    negative: bool = False
    """Ruled out rather than asked for."""
    hard: bool = True
    """Must hold (a filter condition) rather than being liked (instruction only)."""
    words: str
    """How to say it in a sentence: "from France", "no horror", "after 1990"."""

    @property
    def is_range(self) -> bool:
        """True for a range of numbers."""
        return not self.values

    def condition(self, kind: str) -> Condition:
        """The wish as one filter condition, without its sign.

        Args:
            kind: the field's kind, as in FieldSpec.
        """
        if self.is_range:
            return Condition(field=self.field, op="range", value=[self.low, self.high])
        if kind == "flag":
            return Condition(field=self.field, op="eq", value=self.values[0] == "true")
        return Condition(field=self.field, op="in", value=list(self.values))


class Offer(BaseModel):
    """Something that an answer put to the user; "yes", "the second" or "keep it" speaks of it."""

    model_config = ConfigDict(extra="forbid")

    kind: OfferKind
    """What taking it means."""
    words: str
    """How it is said back."""
    wishes: list[Wish] = Field(default_factory=list)
    """Wishes that are added (choice, meant), or that are or were to be dropped (drop, dropped)."""
    items: list[str] = Field(default_factory=list)
    """Item ids that were meant."""


class Intent(BaseModel):
    """One message, understood."""

    model_config = ConfigDict(extra="forbid")

    act: Act = Act.recommend
    """Kind of turn."""
    fresh: bool = False
    """A new request rather than a change to the running one."""
    wishes: list[Wish] = Field(default_factory=list)
    """Conditions and preferences named in this message."""
    dropped: list[str] = Field(default_factory=list)
    """Fields whose wishes are taken back ("any country")."""
    anchors: list[str] = Field(default_factory=list)
    """Item ids the result should resemble."""
    slots: list[int] = Field(default_factory=list)
    """Slots spoken of, from 1."""
    items: list[str] = Field(default_factory=list)
    """Item ids spoken of (slots, "it", titles) in a why or about turn."""
    barred: list[str] = Field(default_factory=list)
    """Item ids named as not wanted ("except Star Wars")."""
    seen: list[str] = Field(default_factory=list)
    """Item ids the user says they know."""
    liked: list[str] = Field(default_factory=list)
    """Item ids the user says they like."""
    disliked: list[str] = Field(default_factory=list)
    """Item ids the user says they dislike."""
    more: bool = False
    """Wants other items for the same request."""
    task: Task | None = None
    """Task named by the words (hidden gems, surprise me, Christmas)."""
    k: int | None = None
    """How many items."""
    words: str = ""
    """Positive words for the instruction."""
    residue: list[str] = Field(default_factory=list)
    """Content words that no rule understood."""
    unlinked: list[str] = Field(default_factory=list)
    """Titles and names that are not in the catalogue."""
    notes: list[str] = Field(default_factory=list)
    """Assumptions that the answer should say."""
    language: str = ""
    """Language other than English that the message was in, as far as rules can tell."""
    mood: str = ""
    """Mood named by the words ("funny", "relaxing"), as the catalogue-independent lexicon calls it."""
    question: str = ""
    """What to ask back, because the request is too open to know what is meant; empty when it isn't."""
    lasting: list[Wish] = Field(default_factory=list)
    """What the user says of themself for good ("I never watch horror"); also among the wishes."""
    lasting_notes: list[str] = Field(default_factory=list)
    """What the user asked to remember that nothing in the catalogue answers to, in their words."""
    taken_back: list[Wish] = Field(default_factory=list)
    """What the user said for good once and takes back ("forget that I said no horror"); signs don't matter."""
    forget_all: bool = False
    """Everything that the user said for good is taken back."""
    aspect: str = ""
    """Quality that a comparison asks about, as said ("shorter", "funnier"); empty for the whole picture."""
    aside: Act | None = None
    """A question about items (`items`, `slots`) asked in the same breath as a request: why, about or compare."""
    back: int = 0
    """How many requests to go back before anything else is done."""
    released: list[Wish] = Field(default_factory=list)
    """Of the dropped fields, the wishes meant ("drop the comedy part"); a field without one is dropped whole."""
    kept: list[Wish] = Field(default_factory=list)
    """Wishes that the user insists on: never offered for dropping."""
    offers: list[Offer] = Field(default_factory=list)
    """What the answer puts to the user, in order, for the next message to take up."""
