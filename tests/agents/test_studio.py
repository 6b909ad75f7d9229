"""`langgraph.json` names a graph that is there, and that brings no checkpointer of its own."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_what_langgraph_json_names_can_be_loaded() -> None:
    config = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))
    assert config["dependencies"] == ["."]
    assert config["python_version"] == "3.11"
    for name, where in config["graphs"].items():
        path, _, maker = where.partition(":")
        assert (ROOT / path).is_file()
        spec = importlib.util.spec_from_file_location(f"studio_{name}", ROOT / path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        graph = getattr(module, maker)()
        assert graph.checkpointer is None
        assert {"guard", "understand", "recommend", "respond"} <= set(graph.nodes)
