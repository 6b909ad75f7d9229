"""How the embedded endpoint watches its child, played with a child that is only a server on a thread."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from agents.llm import embedded
from agents.llm.embedded import EmbeddedChatModel
from agents.llm.guard import allow_model_requests
from agents.llm.prefix_store import PrefixStore
from agents.llm.protocol import LLMError, TurnBudget
from agents.llm.settings import LLMSettings
from tests.contracts.chat_model import ASK, Answer, ChatModelContract

PREFIXES = [[{"role": "system", "content": "read"}], [{"role": "system", "content": "write"}]]


class FakeChild:
    """Looks like LlamaProcess; `die` ends it, `well = False` makes it hang."""

    def __init__(self, url: str, pid: int, folder: Path) -> None:
        self.base_url, self.key, self.pid = url, "k3y", pid
        self.well = True
        self.stopped = False
        self.slots_work = False
        self.slots: list[tuple[int, str]] = []
        self.folder = folder
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        await self._ended.wait()
        return -9

    async def healthy(self) -> bool:
        return self.well

    async def stop(self) -> None:
        self.stopped = True
        self._ended.set()

    async def slot(self, number: int, action: str, file: str) -> bool:
        self.slots.append((number, action))
        if self.slots_work and action == "save":
            (self.folder / file).write_bytes(b"what was read")
        return self.slots_work

    def die(self) -> None:
        self._ended.set()


@pytest.fixture
def slots_work() -> bool:
    return False


@pytest.fixture
def children(server, monkeypatch, tmp_path, slots_work):
    """The children launched so far; the runtime, the weights and the waiting times are small."""
    made: list[FakeChild] = []

    async def launch(_gguf: Path, _settings: LLMSettings, _timeout: float, folder: Path) -> FakeChild:
        made.append(FakeChild(server.url, 1000 + len(made), folder))
        made[-1].slots_work = slots_work
        return made[-1]

    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF")
    monkeypatch.setattr(embedded.LlamaProcess, "launch", launch)
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _: SimpleNamespace())
    monkeypatch.setattr(embedded, "_HEALTH_EVERY_S", 0.02)
    return made


@pytest.fixture
async def model(children, tmp_path: Path):
    made = EmbeddedChatModel(LLMSettings(gguf=tmp_path / "own.gguf", cache_dir=tmp_path))
    with allow_model_requests():
        await made.start()
        await made.wait_ready(5.0)
        yield made
        await made.aclose()
    assert all(child.stopped for child in children)


class TestContract(ChatModelContract):
    pass


async def until(condition, seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_dead_child_is_replaced_once(model, children):
    assert model.pid == 1000
    children[0].die()
    await until(lambda: model.available and model.pid == 1001)
    assert await model.complete_json(ASK, Answer, budget=TurnBudget()) == Answer(word="yes")
    children[1].die()
    await until(lambda: model.status.state == "failed")
    assert "twice" in model.status.reason
    assert model.pid is None
    assert len(children) == 2
    with pytest.raises(LLMError, match="restart Sidra"):
        await model.complete_json(ASK, Answer, budget=TurnBudget())


async def test_a_hanging_child_is_replaced(model, children):
    children[0].well = False
    await until(lambda: model.pid == 1001)
    assert children[0].stopped


async def test_one_missed_health_check_is_forgiven(model, children):
    children[0].well = False
    await asyncio.sleep(0.03)
    children[0].well = True
    await asyncio.sleep(0.2)
    assert model.pid == 1000


async def test_a_long_good_life_earns_another_restart(model, children, monkeypatch):
    monkeypatch.setattr(embedded, "_STABLE_S", 0.0)
    for life in range(4):
        await until(lambda life=life: model.available and model.pid == 1000 + life)
        children[life].die()
    await until(lambda: model.pid == 1004)


async def test_beginnings_are_read_ahead_now_and_after_a_restart(model, children, server):
    await model.warm(PREFIXES)
    assert [r["messages"][0]["content"] for r in server.requests] == ["read", "write"]
    assert {r["max_tokens"] for r in server.requests} == {1}
    children[0].die()
    await until(lambda: len(server.requests) == 4)
    assert [r["messages"][0]["content"] for r in server.requests[2:]] == ["read", "write"]


@pytest.mark.parametrize("slots_work", [True])
async def test_a_beginning_read_once_is_restored_in_the_next_life(model, children, server, tmp_path, slots_work):
    await model.warm(PREFIXES)
    assert [r["id_slot"] for r in server.requests] == [0, 1]
    assert children[0].slots == [(0, "save"), (1, "save")]
    assert [file.suffix for file in (tmp_path / "prefixes").iterdir()] == [".slot", ".slot"]
    children[0].die()
    await until(lambda: len(children) == 2 and children[1].slots == [(0, "restore"), (1, "restore")])
    assert len(server.requests) == 2, "nothing is read a second time"
    await model.warm([*PREFIXES[:1], [{"role": "system", "content": "changed"}]])
    assert server.requests[-1]["messages"][0]["content"] == "changed"


def test_a_kept_beginning_belongs_to_one_state_of_everything(tmp_path):
    gguf = tmp_path / "own.gguf"
    gguf.write_bytes(b"GGUF")
    name = PrefixStore(tmp_path / "p", gguf, 512).name(PREFIXES[0])
    assert name == PrefixStore(tmp_path / "p", gguf, 512).name(PREFIXES[0])
    assert name != PrefixStore(tmp_path / "p", gguf, 1024).name(PREFIXES[0])
    assert name != PrefixStore(tmp_path / "p", gguf, 512).name(PREFIXES[1])
    gguf.write_bytes(b"GGUF other weights")
    assert name != PrefixStore(tmp_path / "p", gguf, 512).name(PREFIXES[0])


def test_old_beginnings_make_room(tmp_path):
    gguf = tmp_path / "own.gguf"
    gguf.write_bytes(b"GGUF")
    store = PrefixStore(tmp_path / "p", gguf, 512)
    for number in range(20):
        (store.folder / "new").write_bytes(b"x")
        store.keep("new", f"{number:02d}.slot")
        os.utime(store.folder / f"{number:02d}.slot", (number, number))
    assert len(list(store.folder.iterdir())) <= 13
    assert store.has("19.slot")
    assert not store.has("00.slot")


async def test_beginnings_given_while_loading_are_read_when_it_is_loaded(children, tmp_path, server):
    with allow_model_requests():
        model = EmbeddedChatModel(LLMSettings(gguf=tmp_path / "own.gguf", cache_dir=tmp_path))
        await model.warm(PREFIXES)
        assert server.requests == []
        await model.start()
        await until(lambda: len(server.requests) == 2)
        await model.aclose()


async def test_failed_warming_is_not_fatal(model, server):
    server.plan = ["500"]
    await model.warm(PREFIXES)
    assert model.available


async def test_requests_carry_the_childs_key_and_may_leave_fields_out(model, server):
    await model.complete_json(ASK, Answer, budget=TurnBudget())
    sent = {key.lower(): value for key, value in server.headers[0].items()}
    assert sent["authorization"] == "Bearer k3y"
    assert server.requests[0]["response_format"]["json_schema"]["strict"] is False


async def test_no_retry_against_a_child_that_refuses(model, server):
    server.plan = ["500"]
    with pytest.raises(LLMError):
        await model.complete_json(ASK, Answer, budget=TurnBudget())
    assert len(server.requests) == 1


async def test_leaving_a_stream_stops_the_childs_writing(model, server):
    server.plan = ["endless"]
    stream = model.stream(ASK, budget=TurnBudget())
    await anext(stream)
    await stream.aclose()
    assert await asyncio.to_thread(server.hung_up.wait, 3.0)


async def test_a_start_that_the_system_refuses_is_a_reason(children, tmp_path, monkeypatch):
    async def launch(*_: object) -> FakeChild:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(embedded.LlamaProcess, "launch", launch)
    with allow_model_requests():
        model = EmbeddedChatModel(LLMSettings(gguf=tmp_path / "own.gguf", cache_dir=tmp_path))
        await model.start()
        assert (await model.wait_ready(5.0)).state == "failed"
        assert "memory" in model.status.reason
        await model.aclose()
