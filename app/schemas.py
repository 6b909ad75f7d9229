"""What goes in and out over HTTP."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from recsys_core.catalog.changes import MAX_ADDED, MAX_ITEMS, NewItem
from recsys_core.catalog.filters import ItemFilter
from recsys_core.catalog.items import AttributeValue, FieldSpec
from recsys_core.generator.protocol import GenerateRequest, ScoredItem

ModelName = Literal["sidra", "generator", "item_cf", "popularity"]


def _printable(text: str) -> str:
    if any(unicodedata.category(char).startswith("C") for char in text) or not text.strip():
        raise ValueError("may hold only visible characters")
    return text


Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
"""An id that a caller chose: a user, a thread, an item."""


class Strict(BaseModel):
    """A request body: a field nobody knows is an error, not silence."""

    model_config = ConfigDict(extra="forbid")


class RecommendBody(GenerateRequest):
    """`POST /v1/recommend`."""

    user_id: Name | None = None
    """Whose history and thumbs to use; an unknown user is a cold start and `notes` says so."""
    model: ModelName = "sidra"
    """What ranks: the served mix, the generator alone, or a baseline."""
    use_profile: bool = True
    """Whether the user's profile counts: their own lines, and for a short history what is written of them."""
    use_feedback: bool = True
    """Whether the user's thumbs count: up joins the history, down is avoided."""


class RecommendedItem(ScoredItem):
    """One item with the facts that may be shown."""

    title: str
    """Name shown to people."""
    attributes: dict[str, AttributeValue] = Field(default_factory=dict)
    """Facts of the catalogue."""


class RecommendAnswer(BaseModel):
    """Answer of `POST /v1/recommend`."""

    user_id: str | None
    """Whose list it is."""
    model: ModelName
    """What ranked."""
    items: list[RecommendedItem]
    """Best first."""
    exhausted: bool
    """True when fewer than `k` items are allowed."""
    allowed: int
    """How many items the filter and the exclusions left."""
    cold_start: bool
    """True when there was no history."""
    beam: int | None = None
    """Width of the beam that was used; null for an exact search or a baseline."""
    expanded: int | None = None
    """Prefixes that an exact search expanded; null for a beam."""
    batch: int = 1
    """Requests that were answered together."""
    timings_ms: dict[str, float]
    """Milliseconds by stage."""
    release: str
    """Release the answer came from."""
    changes: int
    """Number of the last change of the catalogue that the answer knows."""
    generator: str
    """Generator family that the probabilities are of: `compact`, `lm` or `vllm`."""
    degraded: bool = False
    """True when another engine answered than the one asked for."""
    degraded_reason: str = ""
    """Which and why, one sentence."""
    notes: list[str]
    """Sentences about anything unusual."""


class TextPart(BaseModel):
    """A piece of a message in the list form of OpenAI's API."""

    type: Literal["text"]
    """Only text is read."""
    text: str
    """The piece."""


class ChatMessage(BaseModel):
    """One message; further OpenAI fields (`name` ...) are accepted and have no effect."""

    role: Literal["system", "developer", "user", "assistant"]
    """Who spoke; `system` and `developer` messages give this assistant no orders."""
    content: str | Annotated[list[TextPart], Field(max_length=50)]
    """What was said."""

    def plain(self) -> str:
        """The text, whichever form it came in."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class ChatBody(Strict):
    """`POST /v1/chat/completions`: OpenAI's shape with five fields of our own."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=200)]
    """The conversation; the last one is the user's. With `thread_id` only the last one is read."""
    model: str = Field(default="sidra", max_length=100)
    """Only `sidra`."""
    stream: bool = False
    """Server-sent events instead of one object."""
    user: Name | None = None
    """Who is talking; None is a guest whose name comes back in `sidra.user`."""
    thread_id: Name | None = None
    """Conversation to go on with; None begins one."""
    filter: ItemFilter | None = None
    """Rule that every item satisfies, on top of what the message says."""
    k: int = Field(default=5, ge=1, le=20)
    """How many items."""

    # What OpenAI clients send along. The answer is not sampled by the caller's choice, so these have no effect.
    temperature: float | None = None
    """No effect."""
    top_p: float | None = None
    """No effect."""
    n: Literal[1] | None = None
    """Only 1."""
    max_tokens: int | None = None
    """No effect."""
    max_completion_tokens: int | None = None
    """No effect."""
    presence_penalty: float | None = None
    """No effect."""
    frequency_penalty: float | None = None
    """No effect."""
    stop: Any = None
    """No effect."""
    seed: int | None = None
    """No effect."""
    stream_options: dict[str, Any] | None = None
    """No effect."""
    metadata: dict[str, Any] | None = None
    """No effect."""


class FeedbackBody(Strict):
    """`POST /v1/feedback`."""

    user_id: Name
    """Who."""
    item_id: Name
    """On what."""
    value: Literal[-1, 0, 1]
    """Thumb down, taken back, thumb up."""
    thread_id: Name | None = None
    """Conversation it was given in."""


class ItemsBody(Strict):
    """`POST /v1/items/withdraw` and `/v1/items/restore`."""

    items: Annotated[list[Name], Field(min_length=1, max_length=MAX_ITEMS)]
    """Ids; all of them or none."""


class AddBody(Strict):
    """`POST /v1/items`."""

    items: Annotated[list[NewItem], Field(min_length=1, max_length=MAX_ADDED)]
    """New items; all of them or none."""


class RetagBody(Strict):
    """`PATCH /v1/items/{id}`."""

    attributes: Annotated[dict[str, AttributeValue | None], Field(min_length=1, max_length=200)]
    """Field -> new value; null takes the value away. Fields that aren't named stay as they are."""


class ItemOut(BaseModel):
    """One item of the catalogue."""

    id: str
    """Catalogue id."""
    title: str
    """Name shown to people."""
    text: str
    """Description; untrusted."""
    attributes: dict[str, AttributeValue]
    """Facts."""
    image: str | None = None
    """Address of a picture."""
    similarity: float | None = None
    """Cosine to the query, where there was one."""


class InfoOut(BaseModel):
    """`GET /v1/info`: what a page needs to draw itself."""

    version: str
    """Version of Sidra."""
    release: str
    """Release that answers."""
    generator: str
    """Generator family that answers."""
    created: str
    """When it was built."""
    dataset: str
    """What it was built from."""
    item_noun: str
    """What the items are called."""
    changes: int
    """Number of the last change of the catalogue."""
    items: int
    """How many may be shown."""
    users: int
    """How many users have a history."""
    fields: list[FieldSpec]
    """What can be filtered on."""
    tasks: list[str]
    """Tasks of `/v1/recommend`."""
    models: list[str]
    """Models of `/v1/recommend`."""
    llm: dict[str, str]
    """The language model: name, state, detail."""
    limits: dict[str, int]
    """What is refused when larger."""
