"""The OpenAPI document against the API over a real conversation service: no 5xx, whatever schemathesis thinks up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from app_fakes import FakeLive, FakeRecommender, no_study
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounded

from agents.conversation import ConversationService
from agents.llm.none import NoChatModel
from app.api import create_app
from app.runtime import Runtime, Stage
from app.settings import Settings

schemathesis = pytest.importorskip("schemathesis")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home: Path = tmp_path_factory.mktemp("schemathesis")
    runtime = Runtime(Settings(home=home, llm="none", _env_file=None))  # type: ignore[call-arg]
    recommender: Any = FakeRecommender()
    recommender.evidence = lambda item, request: SimpleNamespace(
        because_of=[], matched_attributes={}, degraded_reason=""
    )
    recommender.similar = lambda item, k=10: []
    service = ConversationService(recommender, NoChatModel(), home / "talk")
    runtime._live = FakeLive(recommender)  # type: ignore[assignment]
    runtime._conversations = service
    runtime._llm = service.llm
    runtime.stages = {name: Stage("ready") for name in runtime.stages}
    runtime.start = lambda: None  # type: ignore[method-assign]
    runtime.tuning.start = no_study  # type: ignore[method-assign]
    app = create_app(runtime=runtime)
    with TestClient(app, raise_server_exceptions=False) as client:
        client.portal.call(service.start)  # type: ignore[union-attr]
        yield schemathesis.openapi.from_dict(app.openapi()), client


def test_no_operation_answers_5xx(served: Any) -> None:
    schema, client = served
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 20
    for operation in operations:

        @bounded(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def holds(case: Any) -> None:
            request = case.as_transport_kwargs(base_url="http://testserver")
            request.pop("cookies", None)
            answer = client.request(**request)
            assert answer.status_code < 500, f"{case.method} {case.path}: {answer.status_code} {answer.text[:300]}"
            if answer.status_code >= 400:
                assert set(answer.json()["error"]) == {"type", "message", "param"}

        holds()
