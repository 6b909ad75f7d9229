"""Settings of the conversation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ConversationConfig(BaseModel):
    """How long, how much and how often."""

    model_config = ConfigDict(extra="forbid")

    max_message_chars: int = Field(default=4000, ge=1, le=100_000)
    """Longer messages are refused."""
    beam: int = Field(default=20, ge=1, le=200)
    """Width of the generator's search."""
    llm_calls: int = Field(default=4, ge=0, le=50)
    """Language-model calls a turn may make."""
    llm_tokens: int = Field(default=6000, ge=0)
    """Tokens a turn may use."""
    llm_seconds: float = Field(default=30.0, ge=0)
    """Seconds a turn may spend on the language model."""
    refine_seconds: float = Field(default=6.0, ge=0)
    """Of these, what the second reading of the message may take before the rules' reading stands."""
    first_words_seconds: float = Field(default=12.0, ge=0)
    """What the model may take for its first checked sentence before rules write the answer."""
    tool_calls: int = Field(default=100, ge=0, le=10_000)
    """Tool calls a turn may make, over all its nodes."""
    diary_days: int = Field(default=56, ge=1, le=3650)
    """Days after which what a diary holds is deleted; a diary is kept only of who switched it on."""
    evidence_ms: float = Field(default=400.0, ge=0)
    """Time for measured reasons; cards beyond it get reasons from their facts."""
    busy_seconds: float = Field(default=60.0, ge=0)
    """How long a turn waits for another one of the same thread before it gives up."""
    replay_turns: int = Field(default=8, ge=0, le=50)
    """How many earlier user messages of a client without thread ids are read again."""
    max_earlier_requests: int = Field(default=10, ge=0, le=100)
    """How many steps "undo" can go back."""
