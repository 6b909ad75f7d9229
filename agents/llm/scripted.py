"""Answers read from a file, so that a conversation can be tested to the word.

The file is YAML or JSON, a list of entries tried in order:

    - call: intent            # optional: the prompt's name
      match: "fargo"          # optional: regular expression, searched in the last message, case ignored
      json: {want: ["Comedy"]}
      times: 1                # optional: uses before the entry is spent
    - call: respond
      text: "Try [1] or [2]."
    - match: "slow"
      delay: 2.0              # seconds before the answer
      text: "half an ans"
      error: unavailable      # an LLMError kind; after `text` it breaks the stream off there
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from agents.llm.protocol import LLMError, LLMErrorKind, LLMStatus, Message, Reply, TurnBudget
from recsys_core.errors import ConfigError


class ScriptEntry(BaseModel):
    """One answer and when to give it."""

    model_config = ConfigDict(extra="forbid")

    call: str = ""
    """Name of the prompt; empty fits every prompt."""
    match: str = ""
    """Regular expression searched in the last message; empty fits every message."""
    json_: dict[str, Any] | None = Field(default=None, alias="json")
    """Object to answer `complete_json` with."""
    text: str | None = None
    """Text to stream; for `complete_json` the raw text, so that broken JSON can be played too."""
    error: LLMErrorKind | None = None
    """Fail with this kind; after `text`, when there is one."""
    delay: float = Field(default=0.0, ge=0.0, le=600.0)
    """Seconds before the answer."""
    times: int | None = Field(default=None, ge=1)
    """How often the entry may be used; None is without end."""

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"match {value!r} is no regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _answers(self) -> ScriptEntry:
        if self.json_ is None and self.text is None and self.error is None:
            raise ValueError("an entry needs json, text or error")
        return self

    def fits(self, name: str, last_message: str) -> bool:
        """True when this entry answers that call."""
        return self.call in {"", name} and re.search(self.match, last_message, re.IGNORECASE | re.DOTALL) is not None


def load_script(path: Path) -> list[ScriptEntry]:
    """Read a script.

    Raises:
        ConfigError: no such file, or an entry that isn't understood.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TypeAdapter(list[ScriptEntry]).validate_python(raw)
    except OSError as error:
        raise ConfigError(f"SIDRA_LLM_SCRIPT: cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"SIDRA_LLM_SCRIPT: {path} is no YAML or JSON: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"SIDRA_LLM_SCRIPT: {path}, entry {where}: {first['msg']}") from error


class ScriptedChatModel:
    """Plays a script. What no entry fits is an error, never a made-up answer."""

    name = "scripted"
    available = True
    status = LLMStatus("ready")

    def __init__(self, entries: Sequence[ScriptEntry]) -> None:
        self._entries = list(entries)
        self._used = [0] * len(self._entries)

    @classmethod
    def from_file(cls, path: Path) -> ScriptedChatModel:
        """Read the script at `path` (ConfigError when it can't be used)."""
        return cls(load_script(path))

    async def start(self) -> None:
        """Nothing to load."""

    async def wait_ready(self, timeout_s: float) -> LLMStatus:
        """Nothing to wait for."""
        return self.status

    async def warm(self, prefixes: Sequence[Sequence[Message]]) -> None:
        """Nothing to warm."""

    async def complete_json(
        self,
        messages: Sequence[Message],
        schema: type[Reply],
        *,
        budget: TurnBudget,
        max_tokens: int = 256,
        name: str = "",
    ) -> Reply:
        """The first entry that fits, validated against `schema`."""
        entry = await self._answer(messages, budget, name)
        if entry.error is not None:
            raise _scripted_error(entry.error)
        try:
            if entry.json_ is not None:
                return schema.model_validate(entry.json_)
            return schema.model_validate_json(entry.text or "")
        except ValidationError as error:
            raise LLMError(
                "invalid_json", f"the script's answer to {name!r} is no {schema.__name__}: {error}"
            ) from error

    async def stream(
        self, messages: Sequence[Message], *, budget: TurnBudget, max_tokens: int = 200, name: str = ""
    ) -> AsyncGenerator[str, None]:
        """The text of the first entry that fits, word by word."""
        entry = await self._answer(messages, budget, name)
        for piece in re.findall(r"\S+\s*|\s+", entry.text or ""):
            yield piece
            await asyncio.sleep(0)
        if entry.error is not None:
            raise _scripted_error(entry.error)
        if entry.text is None:
            raise LLMError("protocol", f"the script's entry for {name!r} has no text to stream")

    async def aclose(self) -> None:
        """Nothing to give back."""

    async def _answer(self, messages: Sequence[Message], budget: TurnBudget, name: str) -> ScriptEntry:
        budget.take_call()
        last = messages[-1]["content"] if messages else ""
        for number, entry in enumerate(self._entries):
            if (entry.times is None or self._used[number] < entry.times) and entry.fits(name, last):
                self._used[number] += 1
                left = budget.remaining_seconds
                await asyncio.sleep(min(entry.delay, left))
                if entry.delay > left:
                    raise LLMError(
                        "timeout", f"the scripted answer takes {entry.delay:g} s, the turn had {left:.1f} s left"
                    )
                return entry
        raise LLMError(
            "protocol", f"the script has no answer for call {name!r} and message {last[-80:]!r}; add an entry"
        )


def _scripted_error(kind: LLMErrorKind) -> LLMError:
    return LLMError(kind, f"the script answers with the error {kind!r}")
