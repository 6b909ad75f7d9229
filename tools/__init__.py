"""Typed functions with JSON schemas, the only thing agents call. Importing the package fills the registry."""

from __future__ import annotations

from tools import emotion, intervene, items, recommend, wishes
from tools.access import ToolAccess, ToolMeter
from tools.context import ToolContext
from tools.errors import ToolError
from tools.registry import Tool, ToolRegistry, registry

__all__ = [
    "Tool",
    "ToolAccess",
    "ToolContext",
    "ToolError",
    "ToolMeter",
    "ToolRegistry",
    "emotion",
    "intervene",
    "items",
    "recommend",
    "registry",
    "wishes",
]
