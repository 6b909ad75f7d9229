"""A caller that hangs up stops the language model's request, through the whole of the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from app_fakes import FakeLive, FakeRecommender

from agents.conversation import ConversationConfig, ConversationService
from agents.llm.guard import allow_model_requests
from agents.llm.openai_endpoint import OpenAIChatModel
from agents.llm.settings import LLMSettings
from app.api import create_app
from app.runtime import Runtime, Stage
from app.settings import Settings
from tests.agents.llm.conftest import server as server  # a fixture, under its own name


@pytest.fixture
def api(settings: Settings, tmp_path: Path, server: Any, serve: Callable[[Any], Any]) -> Iterator[str]:
    runtime = Runtime(settings)
    recommender: Any = FakeRecommender()
    recommender.evidence = lambda item, request: SimpleNamespace(
        because_of=[], matched_attributes={}, degraded_reason=""
    )
    pytest.importorskip("openai")
    llm = OpenAIChatModel(LLMSettings(endpoint="openai", base_url=server.url, model="fake"))
    config = ConversationConfig(first_words_seconds=60, llm_seconds=60)
    service = ConversationService(recommender, llm, tmp_path / "talk", config)
    runtime._live = FakeLive(recommender)  # type: ignore[assignment]
    runtime._conversations = service
    runtime._llm = llm

    def start() -> None:
        runtime.stages = {name: Stage("ready") for name in runtime.stages}
        runtime._loading = asyncio.get_running_loop().create_task(service.start())

    runtime.start = start  # type: ignore[method-assign]
    with allow_model_requests(), serve(create_app(runtime=runtime)) as url:
        yield url


def test_hanging_up_reaches_the_model(api: str, server: Any) -> None:
    server.plan = ["endless"]
    body = {"messages": [{"role": "user", "content": "a drama"}], "user": "ann", "stream": True}
    with httpx.Client(timeout=60, trust_env=False) as client:
        with client.stream("POST", f"{api}/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()  # kept: dropping it would hang up at once
            for line in lines:
                # the opening sentence is by rules; then the model is asked and never ends
                if line.startswith("data: ") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                    break
            for _ in range(200):
                if server.requests:
                    break
                server.hung_up.wait(0.05)
            assert server.requests, "the model was asked"
            assert not server.hung_up.is_set()
        assert server.hung_up.wait(15), "the model's server never saw the connection close"
        threads = client.get(f"{api}/v1/users/ann/threads").json()
        history = client.get(f"{api}/v1/threads/{threads[0]['id']}", params={"user": "ann"}).json()
        assert history["messages"][-1]["degraded_reason"] == "the answer was stopped"
