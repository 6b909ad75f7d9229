"""Replies kept on disk, so that a long evaluation with a language model goes on where it was cut off.

For measurements, not for conversations: a kept reply costs no time, so figures about time mean nothing then.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import threading
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from agents.llm.protocol import ChatModel, LLMStatus, Message, Reply, TurnBudget
from recsys_core.errors import ConfigError

_TABLE = "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)"


class CachedChatModel:
    """ChatModel that asks another one only what it wasn't asked before.

    A reply is found again by model, messages, schema, length and prompt name, so it is kept only for models that repeat
    themselves (temperature 0) or where one draw is meant. Failures and answers that broke off are never kept. A kept
    reply takes one call of the turn's budget, as the first time, but no tokens and no time.

    Args:
        inner: the model that is asked.
        file: SQLite file; made with its folder when missing.
        draw: what else the replies depend on, such as a temperature.

    Attributes:
        asked: requests that went to the inner model.
        kept: requests answered from the file.

    Raises:
        ConfigError: the file can't be opened or is something else.
    """

    def __init__(self, inner: ChatModel, file: Path, draw: str = "") -> None:
        self._inner = inner
        self._draw = draw
        self._lock = threading.Lock()
        self.asked = 0
        self.kept = 0
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._replies = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=30)
            self._replies.execute("PRAGMA journal_mode=WAL")
            self._replies.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"replies of the language model can't be kept in {file}: {error}") from error

    @property
    def name(self) -> str:
        """Name of the inner model."""
        return self._inner.name

    @property
    def available(self) -> bool:
        """As the inner model."""
        return self._inner.available

    @property
    def status(self) -> LLMStatus:
        """As the inner model."""
        return self._inner.status

    async def start(self) -> None:
        """Start the inner model."""
        await self._inner.start()

    async def wait_ready(self, timeout_s: float) -> LLMStatus:
        """Wait for the inner model."""
        return await self._inner.wait_ready(timeout_s)

    async def warm(self, prefixes: Sequence[Sequence[Message]]) -> None:
        """Warm the inner model."""
        await self._inner.warm(prefixes)

    async def complete_json(
        self,
        messages: Sequence[Message],
        schema: type[Reply],
        *,
        budget: TurnBudget,
        max_tokens: int = 256,
        name: str = "",
    ) -> Reply:
        """A kept object of `schema`, or one from the inner model."""
        key = self._key(messages, schema, max_tokens, name)
        kept = await asyncio.to_thread(self._find, key)
        if kept is not None:
            try:
                reply = schema.model_validate_json(kept)
            except ValidationError:
                pass  # a validator that has changed since: ask again
            else:
                budget.take_call()
                self.kept += 1
                return reply
        reply = await self._inner.complete_json(messages, schema, budget=budget, max_tokens=max_tokens, name=name)
        self.asked += 1
        await asyncio.to_thread(self._keep, key, reply.model_dump_json(exclude_unset=True))
        return reply

    async def stream(
        self, messages: Sequence[Message], *, budget: TurnBudget, max_tokens: int = 200, name: str = ""
    ) -> AsyncGenerator[str, None]:
        """Kept text in one piece, or pieces from the inner model; kept once it has come to its end."""
        key = self._key(messages, None, max_tokens, name)
        kept = await asyncio.to_thread(self._find, key)
        if kept is not None:
            budget.take_call()
            self.kept += 1
            yield kept
            return
        self.asked += 1
        text = []
        pieces = self._inner.stream(messages, budget=budget, max_tokens=max_tokens, name=name)
        try:
            async for piece in pieces:
                text.append(piece)
                yield piece
        finally:
            await pieces.aclose()
        await asyncio.to_thread(self._keep, key, "".join(text))

    async def aclose(self) -> None:
        """Close the inner model and the file."""
        await self._inner.aclose()
        self._replies.close()

    def _key(self, messages: Sequence[Message], schema: type[BaseModel] | None, max_tokens: int, name: str) -> str:
        form = schema.model_json_schema() if schema is not None else None
        asked = [self.name, self._draw, name, list(messages), form, max_tokens]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def _find(self, key: str) -> str | None:
        with self._lock:
            row = self._replies.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row is not None else None

    def _keep(self, key: str, reply: str) -> None:
        with self._lock:
            self._replies.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, reply))
