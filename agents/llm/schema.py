"""JSON schemas of pydantic models in the form that `response_format` wants."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def response_format(model: type[BaseModel], *, strict: bool) -> dict[str, Any]:
    """The `response_format` value that makes a server answer with an object of `model`.

    Args:
        model: pydantic model, without recursion.
        strict: OpenAI's strict form: every field required. Otherwise fields with a default may be left out, which
            saves a slow local model the writing of empty fields.
    """
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    plain = _plain(schema, definitions, strict)
    return {"type": "json_schema", "json_schema": {"name": model.__name__, "strict": strict, "schema": plain}}


def _plain(node: Any, definitions: dict[str, Any], strict: bool) -> Any:
    """Inline references, close objects, and drop what only people read (titles, descriptions, defaults)."""
    if isinstance(node, list):
        return [_plain(part, definitions, strict) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _plain(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions, strict)
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            kept[key] = {name: _plain(part, definitions, strict) for name, part in value.items()}
        elif key not in {"title", "description", "default"}:
            kept[key] = _plain(value, definitions, strict)
    if kept.get("type") == "object" and "properties" in kept:
        kept["additionalProperties"] = False
        if strict:
            kept["required"] = list(kept["properties"])
    return kept
