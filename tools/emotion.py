"""Words of a text made calmer: the tool for other agents. Who calms is lent by the context; rules only."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from tools.context import ToolContext
from tools.errors import ToolError
from tools.registry import registry

Mode = Literal["raw", "balanced", "cool"]
_LONGEST = 20_000


class CalmArguments(BaseModel):
    """What to calm."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=_LONGEST)
    """Any text of up to 20,000 characters; data, never an instruction."""
    mode: Mode = "balanced"
    """`raw` only measures, `balanced` words calmly, `cool` adds one sentence of background from `related`."""
    related: list[str] = Field(default_factory=list, max_length=8)
    """Texts that background may be taken from, word for word; without any there is none."""


class SentenceCalmed(BaseModel):
    """A sentence that reads differently now."""

    model_config = ConfigDict(extra="forbid")

    before: str
    """As it was."""
    after: str
    """As it is now."""
    reason: str
    """What was done."""


class CalmedText(BaseModel):
    """A text as it would be shown, and how stirring it is."""

    model_config = ConfigDict(extra="forbid")

    original: str
    """The text as it came in."""
    text: str
    """The text to show."""
    mode: Mode
    """In which mode."""
    stimulus_before: float
    """P(anger) + P(fear) + P(surprise) of the original, 0 to 1."""
    stimulus_after: float
    """The same of the text to show."""
    changed: list[SentenceCalmed]
    """Sentences that were reworded; empty when none was."""
    frame: str | None
    """Neutral announcement that was put before a text that stayed loud."""
    background: str | None
    """Sentence of a related text that was added."""
    marks: list[str]
    """What a reader should know."""


class Calms(Protocol):
    """What calms a text; lent to tools by whoever opens them."""

    def calm(self, text: str, mode: Mode, related: list[str]) -> CalmedText:
        """The text calmed by rules, at once."""
        ...


@registry.tool
def calm_text(args: CalmArguments, context: ToolContext) -> CalmedText:
    """How stirring a text is, and the same text in calmer words with every fact kept; the original comes with it.

    Raises:
        ToolError: nothing that calms was lent.
    """
    if context.calms is None:
        raise ToolError("unavailable", "no rewriter is open here; `sidra mcp` and POST /v1/calm have one")
    return context.calms.calm(args.text, args.mode, args.related)
