"""Which language model, and how much of the machine it may take."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Endpoint = Literal["embedded", "none", "scripted", "openai"]


class LLMSettings(BaseModel):
    """Settings of the one ChatModel of a process; the app fills them from SIDRA_LLM and SIDRA_LLM_*."""

    model_config = ConfigDict(extra="forbid")

    endpoint: Endpoint = "embedded"
    """`embedded` (llama.cpp, started and stopped here), `openai` (any compatible URL), `scripted` (a file), `none`."""
    base_url: str | None = None
    """`openai`: address up to and with `/v1`; None is the OpenAI service itself."""
    api_key: SecretStr | None = None
    """`openai`: key; servers without keys need none."""
    model: str | None = None
    """`openai`: model name, required there."""
    strict_schema: bool = True
    """`openai`: send schemas in strict form (every field required); False for servers that can leave fields out."""
    retries: int = Field(default=2, ge=0, le=5)
    """`openai`: further tries after 429, 5xx or a lost connection, within the turn's budget."""
    gguf: Path | None = None
    """`embedded`: weights of one's own instead of the pinned ones."""
    cache_dir: Path = Path("~/.cache/sidra")
    """`embedded`: weights lie in `<cache_dir>/models`."""
    threads: int = Field(default=2, ge=1, le=64)
    """`embedded`: CPU threads."""
    context: int = Field(default=2048, ge=512, le=32768)
    """`embedded`: tokens of context for each of the `slots`."""
    slots: int = Field(default=3, ge=1, le=8)
    """`embedded`: prompts whose beginnings stay read at the same time."""
    script: Path | None = None
    """`scripted`: YAML or JSON file of answers."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """Sampling temperature; 0 repeats itself for the same prompt."""
    replies: Path | None = None
    """SQLite file that keeps replies, so that a measurement that was cut off goes on; None keeps none."""
