"""Nothing a caller sends makes a 500: every operation of the OpenAPI document under hostile input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from app_fakes import fake_runtime
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api import create_app
from app.settings import Settings

TEXT = st.one_of(
    st.sampled_from(
        ["", " ", "\x00", "\u202e", "a" * 5000, "../../etc/passwd", "' OR 1=1 --", "<script>", "{{7*7}}", "null", "é/ü"]
    ),
    st.text(st.characters(), max_size=30),
)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT)
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)
FIELD = st.one_of(st.sampled_from(["genre", "year", "country", "nothing"]), TEXT)
CONDITION = st.fixed_dictionaries(
    {"field": FIELD, "op": st.sampled_from(["eq", "in", "range", "contains", "like"]), "value": JSON}
)
RULE = st.recursive(
    CONDITION,
    lambda inner: st.dictionaries(
        st.sampled_from(["all_of", "any_of", "none_of"]), st.lists(inner, max_size=3), max_size=3
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, dict[str, Any]]]:
    home: Path = tmp_path_factory.mktemp("fuzz")
    runtime = fake_runtime(Settings(home=home, llm="none", _env_file=None))  # type: ignore[call-arg]
    with TestClient(create_app(runtime=runtime), raise_server_exceptions=False) as client:
        yield client, client.get("/openapi.json").json()


def schema_of(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def bodies(document: dict[str, Any], schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Objects with the right names, most values right, some wrong."""
    properties = schema_of(document, schema).get("properties", {})
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name in properties:
        if name == "filter":
            fields[name] = RULE | JSON
        elif name == "messages":
            message = st.fixed_dictionaries(
                {"role": st.sampled_from(["user", "system", "assistant", "x"]), "content": TEXT | JSON}
            )
            fields[name] = st.lists(message, max_size=3) | JSON
        elif name == "attributes":
            fields[name] = st.dictionaries(FIELD, JSON, max_size=3) | JSON
        elif name == "items":
            new = st.fixed_dictionaries({"id": TEXT}, optional={"title": TEXT, "text": TEXT, "attributes": JSON})
            fields[name] = st.lists(st.sampled_from(["1", "i0"]) | TEXT | new, max_size=3) | JSON
        elif name in {"history", "exclude", "anchors", "avoid"}:
            fields[name] = st.lists(st.sampled_from(["1", "2", "i0", "zzz"]) | TEXT, max_size=4) | JSON
        else:
            fields[name] = st.one_of(st.sampled_from([1, 5, "for_you", "sidra", "ann", True]), JSON)
    return st.fixed_dictionaries({}, optional=fields) | JSON


def send(client: TestClient, method: str, path: str, query: dict[str, Any], body: Any) -> Any:
    content = None if body is None else json.dumps(body).encode("utf-8", "surrogatepass")
    headers = {"Content-Type": "application/json"}
    pairs = "&".join(
        f"{quote(name)}={quote(str(value).encode('utf-8', 'surrogatepass'))}" for name, value in query.items()
    )
    return client.request(method, f"{path}?{pairs}" if pairs else path, content=content, headers=headers)


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_no_input_makes_a_500(hostile: tuple[TestClient, dict[str, Any]], data: st.DataObject) -> None:
    client, document = hostile
    operations = [(path, method) for path, item in document["paths"].items() for method in item]
    path, method = data.draw(st.sampled_from(operations))
    operation = document["paths"][path][method]
    query: dict[str, Any] = {}
    for parameter in operation.get("parameters", []):
        value = data.draw(TEXT | st.integers() | st.sampled_from(["ann", "1", "i1"]), label=parameter["name"])
        if parameter["in"] == "path":
            shown = quote(str(value).encode("utf-8", "surrogatepass"), safe="") or "x"
            path = path.replace("{" + parameter["name"] + "}", shown)
        elif data.draw(st.booleans()):
            query[parameter["name"]] = value
    body = None
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = data.draw(bodies(document, schema), label="body")
    response = send(client, method.upper(), path, query, body)
    broken_on_purpose = response.status_code == 500 and response.json()["error"]["type"] == "turn_failed"
    assert response.status_code < 500 or broken_on_purpose, response.text
    if response.status_code >= 400:
        assert set(response.json()["error"]) == {"type", "message", "param"}
