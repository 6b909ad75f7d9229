"""One registry of typed functions: the only thing agents call.

A tool is a function `(args, context) -> result` whose first parameter and result are pydantic models; the JSON schema
comes from them, so it can't drift.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar, get_type_hints

from pydantic import BaseModel, ValidationError

from recsys_core.errors import FilterError, UnknownItemError
from tools.access import ToolCall
from tools.context import ToolContext
from tools.errors import ToolError

Arguments = TypeVar("Arguments", bound=BaseModel)
Result = TypeVar("Result", bound=BaseModel)


@dataclass(frozen=True)
class Tool:
    """One tool.

    Attributes:
        name: what callers say.
        description: first paragraph of the function's docstring.
        arguments: model of the arguments; must forbid unknown ones.
        result: model of the result.
        function: does the work.
    """

    name: str
    description: str
    arguments: type[BaseModel]
    result: type[BaseModel]
    function: Callable[[Any, ToolContext], BaseModel]

    def schema(self) -> dict[str, Any]:
        """The tool in OpenAI's function format."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": self.arguments.model_json_schema(),
            },
        }


class ToolRegistry:
    """Tools by name."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}

    def tool(self, function: Callable[[Arguments, ToolContext], Result]) -> Callable[[Arguments, ToolContext], Result]:
        """Decorator: register a function under its own name.

        Raises:
            TypeError: the signature is not `(args: model, context: ToolContext) -> model`, or the name is taken.
        """
        hints = get_type_hints(function)
        names = list(inspect.signature(function).parameters)
        arguments, result = hints.get(names[0]), hints.get("return")
        if not _is_model(arguments) or not _is_model(result) or len(names) != 2:
            raise TypeError(f"tool {function.__name__} must take (args: model, context) and return a model")
        if arguments.model_config.get("extra") != "forbid":
            raise TypeError(f"the arguments of tool {function.__name__} must forbid unknown fields")
        if function.__name__ in self._tools:
            raise TypeError(f"there is a tool {function.__name__} already")
        description = inspect.getdoc(function) or ""
        self._tools[function.__name__] = Tool(
            function.__name__, description.split("\n\n")[0], arguments, result, function
        )
        return function

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def get(self, name: str) -> Tool:
        """The tool of that name.

        Raises:
            ToolError: there is none.
        """
        if name not in self._tools:
            raise ToolError("unknown_tool", f"there is no tool {name[:60]!r}; there are: {', '.join(self._tools)}")
        return self._tools[name]

    def schemas(self) -> list[dict[str, Any]]:
        """All tools in OpenAI's function format."""
        return [tool.schema() for tool in self]

    def call(self, name: str, args: dict[str, Any], context: ToolContext) -> BaseModel:
        """Validate the arguments and run the tool.

        Every call is noted in the context's meter, refused ones included.

        Args:
            name: which tool.
            args: JSON arguments; unknown and ill-typed ones are refused.
            context: release, user, and who calls.

        Raises:
            ToolError: unknown tool, not on the caller's list, one call too many, invalid arguments, unknown item, a
                filter the catalogue can't answer.
        """
        access = context.access
        started, outcome = time.perf_counter(), "failed"
        try:
            tool = self.get(name)
            access.check(name)
            answer = self._run(tool, self._checked(tool, args), context)
            outcome = "ok"
        except ToolError as error:
            outcome = error.kind
            raise
        finally:
            ms = round((time.perf_counter() - started) * 1000, 3)
            access.meter.note(ToolCall(access.caller, name if name in self._tools else "unknown", outcome, ms))
        return answer

    @staticmethod
    def _checked(tool: Tool, args: dict[str, Any]) -> BaseModel:
        try:
            return tool.arguments.model_validate(args)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])[:120] or "arguments"
            raise ToolError("invalid_arguments", f"tool {tool.name}: {where}: {first['msg']}") from error

    def invoke(self, name: str, args: BaseModel, result: type[Result], context: ToolContext) -> Result:
        """`call` for code that already holds typed arguments and wants a typed result.

        Raises:
            ToolError: as `call`.
        """
        answer = self.call(name, args.model_dump(mode="json"), context)
        if not isinstance(answer, result):
            raise TypeError(f"tool {name} returns {type(answer).__name__}, not {result.__name__}")
        return answer

    @staticmethod
    def _run(tool: Tool, args: BaseModel, context: ToolContext) -> BaseModel:
        try:
            return tool.function(args, context)
        except UnknownItemError as error:
            raise ToolError("unknown_item", f"tool {tool.name}: {error}") from error
        except FilterError as error:
            raise ToolError("bad_filter", f"tool {tool.name}: {error}") from error


def _is_model(hint: Any) -> TypeGuard[type[BaseModel]]:
    return inspect.isclass(hint) and issubclass(hint, BaseModel)


registry = ToolRegistry()
"""The tools of Sidra; modules of this package register theirs when they are imported."""
