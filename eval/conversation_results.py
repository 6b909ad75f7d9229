"""What came of played scripts: turn by turn, as figures, and as rows for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from eval.assertions import Assertion
from eval.figures import Report
from eval.intent_score import TurnScore
from eval.intent_score import figures as intent_figures

WORST = 25
"""Misreadings told to people."""


class Heard(BaseModel):
    """What one labelled message meant and was understood as, in words."""

    model_config = ConfigDict(extra="forbid")

    right: list[str]
    """Pairs that were understood."""
    missed: list[str]
    """Pairs that were meant and not understood."""
    extra: list[str]
    """Pairs that were understood and not meant."""
    explicit: bool | None
    """Whether all numbers and names were exactly right; None when there were none."""


class TurnResult(BaseModel):
    """One turn as it went."""

    model_config = ConfigDict(extra="forbid")

    say: str
    """What was said (the first 200 characters)."""
    text: str
    """What was answered."""
    titles: list[str]
    """Titles on the cards."""
    failed: list[Assertion]
    """Assertions that don't hold."""
    assertions: int
    """How many were asked."""
    fault: str = ""
    """What was wrong with the language model on purpose; empty for nothing."""
    heard: Heard | None = None
    """How it was understood; None for a turn without a label or one that was refused."""
    checked_cards: int = 0
    """Cards held against what was said so far."""
    violations: list[str] = Field(default_factory=list)
    """Cards that break it, with what they break."""
    degraded: bool = False
    """Whether the answer was finished without something."""
    first_cards_s: float | None = None
    """Seconds from asking to the first cards."""
    first_words_s: float | None = None
    """Seconds from asking to the first words."""
    seconds: float = 0.0
    """Seconds from asking to the end."""


class ConversationResult(BaseModel):
    """One script, played one or more times."""

    model_config = ConfigDict(extra="forbid")

    name: str
    """Script."""
    kind: str
    """Kind of request."""
    skipped: str = ""
    """Why it was not played; empty when it was."""
    runs: list[list[TurnResult]] = Field(default_factory=list)
    """Turns of each repetition."""

    @property
    def passes(self) -> int:
        """Repetitions in which everything held."""
        return sum(all(not turn.failed for turn in run) for run in self.runs)

    @property
    def passed(self) -> bool:
        """Whether everything held in every repetition."""
        return bool(self.runs) and self.passes == len(self.runs)


@dataclass
class Played:
    """Everything played so far, by one API or several after one another."""

    results: list[ConversationResult] = field(default_factory=list)
    """Scripts in the order played."""
    scores: list[TurnScore] = field(default_factory=list)
    """Of all labelled turns."""
    asked: Counter[str] = field(default_factory=Counter)
    """Assertions by kind."""
    failed: Counter[str] = field(default_factory=Counter)
    """Those that don't hold."""
    release: str = ""
    """Release that answered."""
    language_model: str = ""
    """Language model of the API that answered first."""

    def detail(self) -> dict[str, Any]:
        """Everything, for the report."""
        return {
            "conversations": [r.model_dump(mode="json") for r in self.results],
            "language_model": self.language_model,
            "assertions_by_kind": dict(self.asked),
            "failures_by_kind": dict(self.failed),
        }


def conversation_figures(results: Sequence[ConversationResult], repeats: int) -> dict[str, float]:
    """The flat figures of played conversations, but for those of understanding."""
    played = [r for r in results if not r.skipped]
    turns = [turn for r in played for run in r.runs for turn in run]
    asked = sum(t.assertions for t in turns)
    failed = sum(len(t.failed) for t in turns)
    figures: dict[str, float] = {
        "scripts": len(played),
        "conversations": len(played),
        "conversations_passed": sum(r.passed for r in played),
        "conversations_failed": sum(not r.passed for r in played),
        "conversations_skipped": len(results) - len(played),
        "pass_rate": sum(r.passes for r in played) / max(sum(len(r.runs) for r in played), 1),
        f"pass_power_{repeats}": sum(r.passed for r in played) / max(len(played), 1),
        "turns": len(turns),
        "degraded_turns": sum(t.degraded for t in turns),
        "faults_injected": sum(bool(t.fault) for t in turns),
        "assertions": asked,
        "assertions_passed": asked - failed,
    }
    for name in ("first_cards_s", "first_words_s"):
        # a fault that was put there on purpose says nothing about the time an answer takes
        seconds = [v for t in turns if not t.fault and (v := getattr(t, name)) is not None]
        if seconds:
            figures[f"{name}_p50"] = round(float(np.median(seconds)), 4)
    return figures


def understanding_figures(played: Played) -> dict[str, float]:
    """Figures of labelled turns; none at all when no turn had a label."""
    if not played.scores:
        return {}
    turns = [turn for r in played.results for run in r.runs for turn in run]
    return {
        **intent_figures(played.scores),
        "violations": sum(len(t.violations) for t in turns),
        "checked_cards": sum(t.checked_cards for t in turns),
    }


def conversation_rows(report: Report) -> list[tuple[str, str, str]]:
    """A report as rows for people: script, ``passed`` or ``failed`` or ``skipped``, and the first reason.

    Args:
        report: from :func:`eval.conversation_runner.run_conversations`.
    """
    rows = []
    for result in _results(report):
        if result.skipped:
            rows.append((result.name, "skipped", result.skipped))
            continue
        faults = [f"'{turn.say[:60]}': {fault.message}" for run in result.runs for turn in run for fault in turn.failed]
        rows.append((result.name, "failed" if faults else "passed", faults[0] if faults else ""))
    return rows


def misreadings(report: Report, most: int = WORST) -> list[tuple[str, str, str, str]]:
    """The turns understood worst: (script, what was said, what was missed, what was understood instead).

    Args:
        report: from :func:`eval.conversation_runner.run_conversations`.
        most: how many at most; those with most wrong pairs first, each message once.
    """
    found: dict[tuple[str, str], tuple[int, Heard]] = {}
    for result in _results(report):
        for turn in (turn for run in result.runs for turn in run):
            heard = turn.heard
            if heard is not None and (wrong := len(heard.missed) + len(heard.extra)):
                found.setdefault((result.name, turn.say), (wrong, heard))
    worst = sorted(found.items(), key=lambda entry: -entry[1][0])[:most]
    return [(name, say, "; ".join(h.missed), "; ".join(h.extra)) for (name, say), (_, h) in worst]


def broken_cards(report: Report) -> list[tuple[str, str, str]]:
    """Every card that breaks what was said: (script, what was said, the card and what it breaks)."""
    return [
        (result.name, turn.say, violation)
        for result in _results(report)
        for run in result.runs
        for turn in run
        for violation in turn.violations
    ]


def _results(report: Report) -> list[ConversationResult]:
    return [ConversationResult.model_validate(told) for told in report.detail["conversations"]]
