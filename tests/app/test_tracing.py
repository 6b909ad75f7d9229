"""Spans tell what was done and how long it took; canaries planted everywhere occur in none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agents.conversation import ConversationService
from agents.events import EndEvent
from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from agents.tracing import is_on, span
from app.runtime import Runtime
from app.tracing import Trace, exported
from tests.agents.conftest import PlainRecommender, Talk, film_catalogue

ROOT = Path(__file__).resolve().parents[2]
CANARIES = ("zqmail@example.org", "+49-170-555-0199", "4111-1111", "Zqname", "zqtitle", "zqtext", "zqtag", "zqsaid", "zqwritten", "zquser")  # fmt: skip


def words(exporter: InMemorySpanExporter) -> str:
    found = []
    for made in exporter.get_finished_spans():
        found += [made.name, str(dict(made.attributes)), str(made.resource.attributes), str(made.status.description)]
        found += [f"{event.name} {dict(event.attributes)}" for event in made.events]
    return " ".join(found)


async def test_a_conversation_leaves_spans_and_no_canary(tmp_path: Path) -> None:
    row = (
        "zqid",
        "Zqtitle zqtitle",
        1997,
        ["Comedy", "zqtag"],
        ["Zqname Director"],
        ["zqname"],
        ["France"],
        ["French"],
        90,
    )
    catalogue = film_catalogue([row], texts={"zqid": "zqtext 4111-1111"})
    llm = ScriptedChatModel(
        [
            ScriptEntry(call="intent", json={"act": "recommend", "mood": "zqsaid"}),
            ScriptEntry(call="respond", text="These are zqwritten. [1] comes first. It won 4111 prizes. "),
            ScriptEntry(call="mend", error="unavailable"),
        ]
    )
    exporter = InMemorySpanExporter()
    user = "zquser zqmail@example.org"
    with exported(None, exporter):
        async with ConversationService(PlainRecommender(catalogue), llm, tmp_path) as service:
            talk = Talk(service, user_id=user, k=25)
            for message in (
                "a comedy zqsaid for Zqname +49-170-555-0199",
                "why the first one?",
                "what is the last one about?",
            ):
                assert isinstance(await talk.say(message), EndEvent)
            service.recommender.recommend = lambda *_: (_ for _ in ()).throw(RuntimeError("zqtext zqmail@example.org"))
            await talk.say("a thriller")
    spans = exporter.get_finished_spans()
    kinds = {made.name for made in spans}
    assert kinds == {"node", "tool", "llm", "generator"}
    text = words(exporter)
    for canary in (*CANARIES, talk.thread_id):
        assert canary.casefold() not in text.casefold()
    assert {s.attributes["sidra.node"] for s in spans if s.name == "node"} >= {
        "guard",
        "understand",
        "explain",
        "respond",
    }
    assert {s.attributes["sidra.tool"] for s in spans if s.name == "tool"} >= {"recommend", "intervene", "item_details"}
    assert all(s.attributes["sidra.ms"] >= 0 for s in spans)
    made = [s for s in spans if s.name == "llm"]
    assert {s.attributes["sidra.model"] for s in made} == {"scripted"}
    assert {s.attributes["sidra.prompt"] for s in made} == {"intent", "respond", "mend"}
    assert "unavailable" in {s.attributes["sidra.outcome"] for s in made if s.attributes["sidra.prompt"] == "mend"}
    generated = [s for s in spans if s.name == "generator" and "sidra.release" in s.attributes]
    assert generated[0].attributes["sidra.release"] == "test-release"
    by_id = {s.context.span_id: s for s in spans}
    parents = {by_id[s.parent.span_id].name for s in spans if s.name in {"tool", "generator"} and s.parent}
    assert parents == {"node"}
    failed = [s for s in spans if s.name == "node" and "sidra.error" in s.attributes]
    assert [s.attributes["sidra.error"] for s in failed] == ["RuntimeError"]
    assert not is_on()


async def test_requests_are_spans_of_routes(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()

    async def app(scope, receive, send):
        scope["route"] = type("Route", (), {"path": "/v1/users/{user_id}/profile"})()
        await send({"type": "http.response.start", "status": 404, "headers": []})

    async def ignore(*_):
        return {}

    scope = {"type": "http", "method": "ZQSAID", "path": "/v1/users/zquser/profile", "query_string": b"zqsaid"}
    await Trace(app)(dict(scope), ignore, ignore)
    with exported(None, exporter):
        await Trace(app)(dict(scope), ignore, ignore)
    (made,) = exporter.get_finished_spans()
    kept = {k: v for k, v in made.attributes.items() if k != "sidra.ms"}
    assert kept == {"sidra.method": "other", "sidra.route": "/v1/users/{user_id}/profile", "sidra.status": 404}


def test_off_means_off(tmp_path: Path) -> None:
    with exported(None), span("node", node="guard") as made:
        made.note(cards=1)
        assert not is_on()
    code = "import sys, agents.conversation, app.tracing; sys.exit('opentelemetry.exporter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("wrong", [{"user": "ann"}, {"node": 3}, {"cards": "Fargo"}, {"text": "hello"}])
def test_what_is_on_no_list_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="on no list"), span("node", node="x") as made:
        made.note(**wrong)


def test_the_api_traces_when_told_to(runtime: Runtime) -> None:
    from fastapi.testclient import TestClient

    import app.tracing as traces
    from app.api import create_app

    exporter = InMemorySpanExporter()
    settings = runtime.settings.model_copy(update={"otel_endpoint": "http://127.0.0.1:9/v1/traces"})
    before, traces._otlp = traces._otlp, lambda _: exporter
    try:
        with TestClient(create_app(settings, runtime)) as client:
            client.get("/v1/items/zqtitle?q=zqsaid")
            client.post("/v1/recommend", json={"user_id": "zquser", "instruction": "zqsaid", "k": 2})
    finally:
        traces._otlp = before
    spans = exporter.get_finished_spans()
    assert {"request", "generator"} <= {s.name for s in spans}
    assert not any(canary in words(exporter) for canary in CANARIES)
