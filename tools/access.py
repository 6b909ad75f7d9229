"""Who may call which tool, and how often: one caller's list, one turn's count.

A context without an access refuses everything, so a call that nobody thought of fails closed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.errors import ToolError

MOST_CALLS = 100
"""Tool calls of one turn, where nothing else is set; an ordinary turn makes fewer than twenty."""


@dataclass(frozen=True)
class ToolCall:
    """One call that was asked for.

    Attributes:
        caller: who asked.
        tool: for what.
        outcome: ``ok``, or the kind of the :class:`tools.errors.ToolError` it ended with, or ``failed``.
        ms: wall-clock milliseconds inside the tool; 0 when it was refused.
    """

    caller: str
    tool: str
    outcome: str
    ms: float = 0.0


_OBSERVERS: list[Callable[[ToolCall], None]] = []


@contextmanager
def observed(observe: Callable[[ToolCall], None]) -> Iterator[None]:
    """While this is open, `observe` is told of every tool call of the process when it has ended, refused ones too."""
    _OBSERVERS.append(observe)
    try:
        yield
    finally:
        _OBSERVERS.remove(observe)


class ToolMeter:
    """Counts the calls of one turn over all its callers; safe to share between threads.

    Args:
        limit: calls that are let through; the next one is refused.
    """

    def __init__(self, limit: int = MOST_CALLS) -> None:
        self.limit = limit
        self.calls: list[ToolCall] = []
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """Calls that will still be let through."""
        return max(0, self.limit - self._taken)

    def restart(self) -> None:
        """Begin another turn."""
        with self._lock:
            self._taken = 0
            self.calls = []

    def take(self) -> None:
        """Pay for one call.

        Raises:
            ToolError: the turn has made all its calls.
        """
        with self._lock:
            if self._taken >= self.limit:
                raise ToolError("too_many_calls", f"this turn has made all its {self.limit} tool calls")
            self._taken += 1

    def note(self, call: ToolCall) -> None:
        """Keep how a call ended."""
        self.calls.append(call)
        for observe in list(_OBSERVERS):
            observe(call)

    def counts(self) -> Counter[tuple[str, str, str]]:
        """How often (caller, tool, outcome) occurred."""
        return Counter((call.caller, call.tool, call.outcome) for call in self.calls)


@dataclass(frozen=True)
class ToolAccess:
    """What one caller may do.

    Attributes:
        caller: name of the agent, or of the door that tools are served through.
        allowed: names of the tools on its list.
        meter: the turn's count, shared by all its callers.
    """

    caller: str = "nobody"
    allowed: frozenset[str] = frozenset()
    meter: ToolMeter = field(default_factory=ToolMeter)

    @classmethod
    def to(cls, caller: str, tools: Iterable[str], limit: int = MOST_CALLS) -> ToolAccess:
        """Access of a caller that counts alone."""
        return cls(caller, frozenset(tools), ToolMeter(limit))

    def check(self, tool: str) -> None:
        """Let a call through, and count it.

        Raises:
            ToolError: the tool is not on the caller's list, or the turn has made all its calls.
        """
        if tool not in self.allowed:
            may = f"may use {', '.join(sorted(self.allowed))}" if self.allowed else "may use no tool"
            raise ToolError("not_allowed", f"{self.caller} may not call {tool[:60]!r}; it {may}")
        self.meter.take()
