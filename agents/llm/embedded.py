"""The default endpoint: a llama.cpp server that Sidra starts, watches and stops itself.

Loading happens in the background, so the API answers by rules meanwhile. A child that dies or hangs is started anew
once; when the next one falls soon after, the model is reported as failed and turns go on by rules.
"""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from agents.llm.guard import check_model_requests
from agents.llm.llama_process import LlamaProcess
from agents.llm.memory import available_bytes
from agents.llm.openai_endpoint import OpenAIChatModel
from agents.llm.prefix_store import PrefixStore
from agents.llm.protocol import LLMError, LLMStatus, Message, Reply, TurnBudget
from agents.llm.settings import LLMSettings
from agents.llm.weights import PINNED, find_weights
from recsys_core.errors import SidraError

_LOAD_S = 120.0
_HEALTH_EVERY_S = 5.0
_HEALTH_MISSES = 3
_STABLE_S = 300.0
_MEMORY_FACTOR = 1.3
_WARM_S = 120.0
_READING = LLMStatus("starting", "the embedded language model is reading its instructions")


class EmbeddedChatModel:
    """ChatModel over a llama.cpp child process of this one.

    Args:
        settings: weights, threads, context, slots.
    """

    def __init__(self, settings: LLMSettings) -> None:
        self._settings = settings
        self._status = LLMStatus("off", "the embedded language model has not been started")
        self._child: LlamaProcess | None = None
        self._remote: OpenAIChatModel | None = None
        self._store: PrefixStore | None = None
        self._prefixes: list[list[Message]] = []
        self._supervisor: asyncio.Task[None] | None = None
        self._loaded = asyncio.Event()
        self._warming = asyncio.Lock()

    @property
    def name(self) -> str:
        """`embedded:` and the file name of the weights."""
        return f"embedded:{(self._settings.gguf or Path(PINNED.file)).stem}"

    @property
    def available(self) -> bool:
        """True while the child is loaded and alive."""
        return self._status.state == "ready"

    @property
    def status(self) -> LLMStatus:
        """Where loading stands, or why there is no model."""
        return self._status

    @property
    def pid(self) -> int | None:
        """Process id of the child, while there is one."""
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        """Begin to load in the background."""
        check_model_requests("embedded")
        if self._supervisor is None:
            self._status = LLMStatus("starting", "the embedded language model is loading")
            self._supervisor = asyncio.create_task(self._supervise(), name="llama-supervisor")

    async def wait_ready(self, timeout_s: float) -> LLMStatus:
        """Wait until the model is loaded or has failed, at most `timeout_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._loaded.wait()
        return self._status

    async def warm(self, prefixes: Sequence[Sequence[Message]]) -> None:
        """Read prompt beginnings ahead, now or as soon as the model is loaded, and again after a restart.

        Until they are read the model counts as starting: an answer would compete with the reading, and both be late.
        """
        self._prefixes = [list(prefix) for prefix in prefixes][: self._settings.slots]
        if self.available:
            self._status = _READING
            self._loaded.clear()
            await self._become_ready()

    async def complete_json(
        self,
        messages: Sequence[Message],
        schema: type[Reply],
        *,
        budget: TurnBudget,
        max_tokens: int = 256,
        name: str = "",
    ) -> Reply:
        """An object of `schema` from the child."""
        return await self._ready().complete_json(messages, schema, budget=budget, max_tokens=max_tokens, name=name)

    async def stream(
        self, messages: Sequence[Message], *, budget: TurnBudget, max_tokens: int = 200, name: str = ""
    ) -> AsyncGenerator[str, None]:
        """Text pieces from the child."""
        pieces = self._ready().stream(messages, budget=budget, max_tokens=max_tokens, name=name)
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()  # so that the child stops writing now, not at the next garbage collection

    async def aclose(self) -> None:
        """Stop the child by its pid and wait for it."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await supervisor
        self._status = LLMStatus("off", "the embedded language model has been stopped")

    def _ready(self) -> OpenAIChatModel:
        check_model_requests("embedded")
        if not self.available or self._remote is None:
            raise LLMError("unavailable", self._status.reason)
        return self._remote

    async def _supervise(self) -> None:
        """Load, watch, load once more, give up; the child never outlives this task."""
        restart_left = True
        while True:
            began = time.monotonic()
            try:
                ended = await self._one_life()
            except (SidraError, OSError) as error:
                self._end_state(LLMStatus("failed", str(error)))
                return
            if time.monotonic() - began > _STABLE_S:
                restart_left = True
            if not restart_left:
                self._end_state(
                    LLMStatus("failed", f"{ended} twice within {_STABLE_S:g} s; restart Sidra to try again")
                )
                return
            restart_left = False
            self._status = LLMStatus("starting", f"{ended}; it is being started again")
            self._loaded.clear()

    def _end_state(self, status: LLMStatus) -> None:
        self._status = status
        self._loaded.set()

    async def _one_life(self) -> str:
        """Run one child to its end; how it ended."""
        gguf = await asyncio.to_thread(self._checked_weights)
        self._store = self._open_store(gguf)
        folder = self._store.folder if self._store is not None else None
        self._child = await LlamaProcess.launch(gguf, self._settings, _LOAD_S, folder)
        self._remote = OpenAIChatModel(self._settings_for(self._child))
        warming: asyncio.Task[None] | None = None
        try:
            self._status = _READING
            warming = asyncio.create_task(self._become_ready())
            return await self._watch(self._child)
        finally:
            if warming is not None:
                warming.cancel()
                await asyncio.gather(warming, return_exceptions=True)
            if self._status.state != "failed":
                self._status = LLMStatus("starting", "the embedded language model has stopped")
            child, remote, self._child, self._remote = self._child, self._remote, None, None
            await child.stop()
            await remote.aclose()

    def _settings_for(self, child: LlamaProcess) -> LLMSettings:
        return self._settings.model_copy(
            update={
                "base_url": child.base_url,
                "api_key": SecretStr(child.key),
                "model": self.name,
                "strict_schema": False,  # empty fields cost 50 ms a token here
                "retries": 0,  # a child that refuses is dead; rules answer faster than its next life
            }
        )

    def _open_store(self, gguf: Path) -> PrefixStore | None:
        try:
            return PrefixStore(self._settings.cache_dir.expanduser() / "prefixes", gguf, self._settings.context)
        except OSError:
            return None  # a cache that can't be written: beginnings are read anew at every start

    def _checked_weights(self) -> Path:
        if importlib.util.find_spec("xllamacpp") is None:
            raise LLMError("unavailable", "the embedded language model needs xllamacpp: pip install 'sidra[llm]'")
        gguf = find_weights(self._settings.cache_dir, self._settings.gguf)
        if gguf is None:
            folder = self._settings.cache_dir.expanduser() / "models"
            raise LLMError(
                "unavailable",
                f"the language model's weights are not in {folder}; run `make run` once while connected, or set"
                " SIDRA_LLM_GGUF to a GGUF file",
            )
        needed, free = int(gguf.stat().st_size * _MEMORY_FACTOR), available_bytes()
        if free is not None and free < needed:
            raise LLMError(
                "unavailable",
                f"the embedded language model needs {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free;"
                " free some, point SIDRA_LLM_GGUF to smaller weights, or run with SIDRA_LLM=none",
            )
        return gguf

    async def _watch(self, child: LlamaProcess) -> str:
        """Wait until the child has ended or no longer answers; a sentence about it."""
        ended = asyncio.create_task(child.wait())
        misses = 0
        try:
            while misses < _HEALTH_MISSES:
                done, _ = await asyncio.wait({ended}, timeout=_HEALTH_EVERY_S)
                if done:
                    return f"the embedded language model has stopped (status {ended.result()})"
                misses = 0 if await child.healthy() else misses + 1
            return "the embedded language model no longer answers"
        finally:
            ended.cancel()

    async def _become_ready(self) -> None:
        try:
            await self._warm_up()
        finally:
            if self._status is _READING:
                self._status = LLMStatus("ready")
                self._loaded.set()

    async def _warm_up(self) -> None:
        async with self._warming:
            for slot, prefix in enumerate(list(self._prefixes)):
                if self._child is None:
                    return
                await self._warm_slot(self._child, slot, prefix)

    async def _warm_slot(self, child: LlamaProcess, slot: int, prefix: list[Message]) -> None:
        """Restore one beginning, or read it and save it for the next start."""
        store = self._store
        name = store.name(prefix) if store is not None else ""
        if store is not None and store.has(name) and await child.slot(slot, "restore", name):
            return
        reader = OpenAIChatModel(self._settings_for(child), extra_body={"id_slot": slot})
        # a last user message keeps every chat template on its usual path
        messages: list[Message] = [*prefix, {"role": "user", "content": "."}]
        budget = TurnBudget(calls=1, tokens=100_000, seconds=_WARM_S)
        try:
            async for _ in reader.stream(messages, budget=budget, max_tokens=1, name="warm"):
                pass
        except LLMError:
            return  # a cold beginning is slow, not wrong
        finally:
            await reader.aclose()
        unfinished = f"{name}.{child.pid}"
        if store is not None and await child.slot(slot, "save", unfinished):
            with suppress(OSError):
                store.keep(unfinished, name)
