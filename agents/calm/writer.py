"""The language model's part: one sentence in, one calmer sentence out. What it writes is a proposal, nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

import prompts
from agents.llm.protocol import ChatModel, LLMError, TurnBudget

PROMPT = "calm"
_LONGEST = 600


class CalmReply(BaseModel):
    """What the model may answer."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=900)]
    """The sentence, calmer."""


class SentenceWriter:
    """Asks a language model, within a budget; after a failure it asks no more.

    Args:
        llm: the model.
        budget: calls, tokens and seconds, shared with whoever else uses it.
    """

    def __init__(self, llm: ChatModel, budget: TurnBudget) -> None:
        self._llm = llm
        self._budget = budget
        self.failure = (
            "" if llm.available else f"{llm.status.reason or 'the language model is not ready'}: lexicon only"
        )

    @property
    def name(self) -> str:
        """The model and the prompt's version; part of cache keys."""
        return f"{self._llm.name}:{PROMPT}:{prompts.load(PROMPT).version}"

    async def write(self, sentence: str, objections: Sequence[str] = ()) -> str | None:
        """A proposal, or None.

        Args:
            sentence: untrusted; quoted as data in the prompt.
            objections: what was wrong with the last proposal.
        """
        if self.failure or len(sentence) > _LONGEST:
            return None
        messages = prompts.render_messages(PROMPT, sentence=sentence, objections=list(objections[:4]))
        try:
            reply = await self._llm.complete_json(
                messages,
                CalmReply,
                budget=self._budget,
                max_tokens=min(300, 40 + len(sentence) // 2),
                name=PROMPT,
            )
        except LLMError as error:
            if error.kind in {"invalid_json", "refused"}:
                return None
            self.failure = f"language model {error.kind}: lexicon only"
            return None
        return reply.text
