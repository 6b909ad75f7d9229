"""The conversation: a LangGraph graph that understands, calls tools, explains and answers."""

from __future__ import annotations

import os

# Checkpoints may only rebuild the types named in the state's schema; it must be set before langgraph is imported.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
