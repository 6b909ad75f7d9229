"""Parent's side of the llama.cpp child: start, wait for its port, ask its health, stop it by pid."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Literal

import httpx

from agents.llm.llama_server import KEY_VARIABLE
from agents.llm.protocol import LLMError
from agents.llm.settings import LLMSettings

_STOP_S = 3.0
_HEALTH_S = 5.0
_SLOT_S = 10.0


class LlamaProcess:
    """One running child. Made by `launch`; done with after `stop`.

    Attributes:
        pid: process id of the child.
        base_url: address of its OpenAI-compatible API.
        key: what requests must carry.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, log: deque[str], drain: asyncio.Task[None], key: str
    ) -> None:
        self._process = process
        self._log = log
        self._drain = drain
        self.pid = process.pid
        self.key = key
        self.base_url = ""

    @classmethod
    async def launch(
        cls, gguf: Path, settings: LLMSettings, timeout_s: float, slot_folder: Path | None = None
    ) -> LlamaProcess:
        """Start a child and wait until its model is loaded.

        Args:
            gguf: weights.
            settings: threads, context, slots.
            timeout_s: seconds that loading may take.
            slot_folder: where `slot` may save and restore; None leaves that out.

        Raises:
            LLMError: it ended or took longer than `timeout_s`; the child is gone then.
        """
        key = secrets.token_urlsafe(24)
        read_end, write_end = os.pipe()
        command = [sys.executable, "-m", "agents.llm.llama_server", "--gguf", str(gguf), "--ready-fd", str(write_end)]
        command += [
            "--threads",
            str(settings.threads),
            "--context",
            str(settings.context),
            "--slots",
            str(settings.slots),
        ]
        if slot_folder is not None:
            command += ["--slot-folder", str(slot_folder)]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(write_end,),
                env=_environment(key),
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        log: deque[str] = deque(maxlen=20)
        child = cls(process, log, asyncio.create_task(_keep_tail(process.stdout, log)), key)
        try:
            async with asyncio.timeout(timeout_s):
                line = await asyncio.to_thread(_read_line, read_end)
        except TimeoutError as error:
            await child.stop()
            raise LLMError("unavailable", f"the embedded language model did not load within {timeout_s:g} s") from error
        except BaseException:
            await child.stop()
            raise
        if not line:
            await child.stop()
            raise LLMError("unavailable", f"the embedded language model did not start: {child.last_words()}")
        child.base_url = f"http://127.0.0.1:{json.loads(line)['port']}/v1"
        return child

    async def wait(self) -> int:
        """Wait for the child's end; its exit status."""
        return await self._process.wait()

    async def healthy(self) -> bool:
        """True when the child answers its health route in time."""
        try:
            async with httpx.AsyncClient(timeout=_HEALTH_S, trust_env=False) as client:
                answer = await client.get(self.base_url.removesuffix("/v1") + "/health")
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    async def slot(self, number: int, action: Literal["save", "restore"], file: str) -> bool:
        """Save what a slot has read to a file of the slot folder, or bring it back; True when it worked."""
        try:
            async with httpx.AsyncClient(timeout=_SLOT_S, trust_env=False) as client:
                answer = await client.post(
                    f"{self.base_url.removesuffix('/v1')}/slots/{number}",
                    params={"action": action},
                    json={"filename": file},
                    headers={"Authorization": f"Bearer {self.key}"},
                )
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    async def stop(self) -> None:
        """End the child: first by closing its pipe, then by its pid. Safe to call twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.returncode is None:
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_S)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        self._drain.cancel()
        with suppress(asyncio.CancelledError):
            await self._drain

    def last_words(self) -> str:
        """What the child said last, for an error message."""
        said = [line for line in self._log if line.strip()]
        return said[-1].strip()[:300] if said else f"it ended with status {self._process.returncode}"


def _environment(key: str) -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    # passive: waiting OpenMP threads would otherwise spin and take both cores from the API
    return {
        **os.environ,
        KEY_VARIABLE: key,
        "OMP_WAIT_POLICY": "passive",
        "PYTHONPATH": os.pathsep.join([root, inherited] if inherited else [root]),
    }


def _read_line(descriptor: int) -> str:
    with os.fdopen(descriptor, encoding="utf-8") as pipe:
        return pipe.readline()


async def _keep_tail(stream: asyncio.StreamReader | None, log: deque[str]) -> None:
    while stream is not None and (line := await stream.readline()):
        log.append(line.decode("utf-8", errors="replace"))
