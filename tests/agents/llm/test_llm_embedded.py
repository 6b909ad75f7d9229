"""The embedded endpoint: why it can't start, and with real weights its whole life."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents.llm import embedded, guard
from agents.llm.embedded import EmbeddedChatModel
from agents.llm.guard import ModelRequestsForbidden, allow_model_requests
from agents.llm.llama_process import LlamaProcess
from agents.llm.memory import available_bytes
from agents.llm.protocol import LLMError, TurnBudget
from agents.llm.settings import LLMSettings
from agents.llm.weights import PINNED
from tests.contracts.chat_model import ASK, Answer, read_into

HAS_RUNTIME = embedded.importlib.util.find_spec("xllamacpp") is not None
needs_runtime = pytest.mark.skipif(not HAS_RUNTIME, reason="xllamacpp is not installed")


@pytest.fixture(autouse=True)
def opted_in(no_real_models):
    with allow_model_requests():
        yield


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "own.gguf"
    path.write_bytes(b"GGUF" + bytes(5000))
    return path


async def failure_of(settings: LLMSettings) -> str:
    model = EmbeddedChatModel(settings)
    await model.start()
    status = await model.wait_ready(60.0)
    assert status.state == "failed"
    assert not model.available
    with pytest.raises(LLMError) as failure:
        await model.complete_json(ASK, Answer, budget=TurnBudget())
    assert failure.value.kind == "unavailable"
    assert str(failure.value) == status.reason
    await model.aclose()
    return status.reason


async def test_missing_weights_say_what_to_run(tmp_path):
    reason = await failure_of(LLMSettings(cache_dir=tmp_path))
    assert "make run" in reason
    assert "SIDRA_LLM_GGUF" in reason


async def test_a_missing_runtime_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _: None)
    assert "sidra[llm]" in await failure_of(LLMSettings(cache_dir=tmp_path))


@needs_runtime
async def test_too_little_memory_is_one_sentence(own_file, monkeypatch):
    monkeypatch.setattr(embedded, "available_bytes", lambda: 1000)
    reason = await failure_of(LLMSettings(gguf=own_file))
    assert "memory" in reason
    assert "SIDRA_LLM=none" in reason


@needs_runtime
async def test_broken_weights_cannot_take_the_parent_down(own_file):
    assert "did not start" in await failure_of(LLMSettings(gguf=own_file))


async def test_a_launch_that_takes_too_long_is_ended(own_file):
    with pytest.raises(LLMError, match="did not load within 0 s"):
        await LlamaProcess.launch(own_file, LLMSettings(), timeout_s=0.0)


async def test_not_started_is_not_available():
    model = EmbeddedChatModel(LLMSettings())
    assert model.status.state == "off"
    with pytest.raises(LLMError, match="not been started"):
        await anext(model.stream(ASK, budget=TurnBudget()))
    await model.aclose()


async def test_the_switch_keeps_the_process_from_starting(monkeypatch):
    monkeypatch.setattr(guard, "ALLOW_MODEL_REQUESTS", False)
    model = EmbeddedChatModel(LLMSettings())
    with pytest.raises(ModelRequestsForbidden):
        await model.start()
    assert model.pid is None


def test_memory_is_the_smaller_of_machine_and_container(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    2000 kB\n")
    assert available_bytes(meminfo, tmp_path) == 2_048_000
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 100000\ninactive_file 300000\n")
    assert available_bytes(meminfo, tmp_path) == 400_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes(meminfo, tmp_path) == 2_048_000
    assert available_bytes(tmp_path / "nothing", tmp_path / "nowhere") is None


def cached_weights() -> Path:
    path = LLMSettings().cache_dir.expanduser() / "models" / PINNED.file
    if not HAS_RUNTIME:
        pytest.skip("xllamacpp is not installed")
    if not path.is_file():
        pytest.skip(f"the pinned weights are not in {path.parent}")
    return path


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.llm
async def test_a_real_model_answers_is_killed_comes_back_and_stops():
    cached_weights()
    model = EmbeddedChatModel(LLMSettings(context=1024, slots=2))
    try:
        await model.start()
        assert model.status.state == "starting"
        assert (await model.wait_ready(120.0)).state == "ready", model.status
        reply = await model.complete_json(
            [{"role": "user", "content": 'Answer with the JSON object {"word": "yes"}.'}],
            Answer,
            budget=TurnBudget(seconds=120.0),
            max_tokens=20,
        )
        assert reply.word

        first = model.pid
        answer = model.stream(
            [{"role": "user", "content": "Count to one hundred in words."}], budget=TurnBudget(seconds=120.0)
        )
        await anext(answer)
        began = time.monotonic()
        os.kill(first, signal.SIGKILL)
        with pytest.raises(LLMError) as failure:
            await read_into([], answer)
        assert failure.value.kind == "unavailable"
        assert time.monotonic() - began < 2.0
        await asyncio.sleep(0.3)
        assert not model.available
        with pytest.raises(LLMError, match="started again"):
            await model.complete_json(ASK, Answer, budget=TurnBudget())

        assert (await model.wait_ready(120.0)).state == "ready"
        second = model.pid
        assert second != first
        pieces = [
            piece
            async for piece in model.stream(
                [{"role": "user", "content": "Say hello."}], budget=TurnBudget(seconds=120.0), max_tokens=8
            )
        ]
        assert pieces
        os.kill(second, signal.SIGKILL)
        await asyncio.sleep(0.3)
        assert (await model.wait_ready(5.0)).state == "failed"
    finally:
        await model.aclose()
    assert not alive(second)


@pytest.mark.llm
async def test_the_child_dies_with_its_parent():
    cached_weights()
    script = (
        "import asyncio\n"
        "from agents.llm.embedded import EmbeddedChatModel\n"
        "from agents.llm.settings import LLMSettings\n"
        "async def main():\n"
        "    model = EmbeddedChatModel(LLMSettings(context=512, slots=1))\n"
        "    await model.start()\n"
        "    await model.wait_ready(120)\n"
        "    import sys; sys.stdout.write(f'{model.pid}\\n'); sys.stdout.flush()\n"
        "    await asyncio.sleep(300)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not alive(pid):
            break
        await asyncio.sleep(0.05)
    assert not alive(pid)
