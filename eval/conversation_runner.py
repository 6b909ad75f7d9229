"""Plays scripted conversations against a running API and counts what holds.

Every repetition uses threads of its own (and, for guests, a user of its own), takes back its thumbs and deletes its
threads, so that scripts don't influence each other and leave nothing behind.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.client import ClientError, SidraClient
from eval.assertions import Answer, Assertion, Table, TurnCheck
from eval.figures import Progress, Report, make_context
from eval.grounding import Grounding, plain
from eval.script import KNOWN_USER, Script, Turn
from recsys_core.catalog.items import Item
from recsys_core.errors import ConfigError


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


def run_conversations(
    client: SidraClient,
    scripts: Sequence[Script],
    *,
    repeats: int = 1,
    known_user: str | None = None,
    seed: int = 0,
    command: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Play scripts.

    Args:
        client: of a running API that is ready.
        scripts: what to play.
        repeats: plays each script so many times; a script passes when every repetition does (pass^k).
        known_user: who ``user: known`` is; the first of a few usual ids that has a history when None.
        seed: told in the context; nothing here is random.
        command: command line for the context.
        progress: told after each script.

    Raises:
        ConfigError: no script fits the catalogue, or nobody with a history was found.
        ClientError: the API is down.
    """
    if repeats < 1:
        raise ConfigError(f"repeats must be at least 1, not {repeats}")
    info = client.info()
    player = _Player(client, info, known_user)
    results = []
    for number, script in enumerate(scripts, 1):
        skipped = player.unfit(script)
        runs = [] if skipped else [player.play(script) for _ in range(repeats)]
        results.append(ConversationResult(name=script.name, kind=script.kind, skipped=skipped, runs=runs))
        if progress is not None:
            progress(script.name, number, len(scripts))
    if all(result.skipped for result in results):
        raise ConfigError(f"no script fits this catalogue: {results[0].skipped if results else 'none given'}")
    detail = {
        "conversations": [r.model_dump(mode="json") for r in results],
        "language_model": str(info.get("llm", {}).get("name", "")),
        "assertions_by_kind": dict(player.asked),
        "failures_by_kind": dict(player.failed),
    }
    return Report(
        figures=conversation_figures(results, repeats),
        context=make_context(seed=seed, release=str(info.get("release", "")), command=command),
        detail=detail,
    )


def conversation_figures(results: Sequence[ConversationResult], repeats: int) -> dict[str, float]:
    """The flat figures of played conversations."""
    played = [r for r in results if not r.skipped]
    turns = [turn for r in played for run in r.runs for turn in run]
    asked = sum(t.assertions for t in turns)
    failed = sum(len(t.failed) for t in turns)
    figures: dict[str, float] = {
        "conversations": len(played),
        "conversations_passed": sum(r.passed for r in played),
        "conversations_failed": sum(not r.passed for r in played),
        "conversations_skipped": len(results) - len(played),
        "pass_rate": sum(r.passes for r in played) / max(sum(len(r.runs) for r in played), 1),
        f"pass_power_{repeats}": sum(r.passed for r in played) / max(len(played), 1),
        "turns": len(turns),
        "degraded_turns": sum(t.degraded for t in turns),
        "assertions": asked,
        "assertions_passed": asked - failed,
    }
    for name in ("first_cards_s", "first_words_s"):
        seconds = [v for t in turns if (v := getattr(t, name)) is not None]
        if seconds:
            figures[f"{name}_p50"] = round(float(np.median(seconds)), 4)
    return figures


def conversation_rows(report: Report) -> list[tuple[str, str, str]]:
    """A report as rows for people: script, ``passed`` or ``failed`` or ``skipped``, and the first reason.

    Args:
        report: from :func:`run_conversations`.
    """
    rows = []
    for told in report.detail["conversations"]:
        result = ConversationResult.model_validate(told)
        if result.skipped:
            rows.append((result.name, "skipped", result.skipped))
            continue
        faults = [f"'{turn.say[:60]}': {fault.message}" for run in result.runs for turn in run for fault in turn.failed]
        rows.append((result.name, "failed" if faults else "passed", faults[0] if faults else ""))
    return rows


def ask(client: SidraClient, message: str, **options: Any) -> tuple[Answer, dict[str, float | None]]:
    """One turn with the times of its first cards, first words and end, in seconds.

    Args:
        client: of a running API.
        message: what is said.
        options: passed on to :meth:`app.client.SidraClient.chat`.
    """
    answer = Answer()
    times: dict[str, float | None] = {"first_cards_s": None, "first_words_s": None, "seconds": None}
    began = time.perf_counter()
    try:
        for event in client.chat(message, **options):
            answer.events.append(event)
            passed = time.perf_counter() - began
            if event["type"] == "slate" and event["cards"] and times["first_cards_s"] is None:
                times["first_cards_s"] = passed
            if event["type"] == "token" and event["text"].strip() and times["first_words_s"] is None:
                times["first_words_s"] = passed
    except ClientError as error:
        if not 400 <= error.status < 500:
            raise
        answer.refused = {"status": error.status, "kind": error.kind, "message": error.message}
    times["seconds"] = time.perf_counter() - began
    return answer, times


class _Player:
    """Plays scripts one after the other and remembers what it looked up."""

    def __init__(self, client: SidraClient, info: dict[str, Any], known_user: str | None) -> None:
        self.client = client
        self.fields = {field["name"] for field in info["fields"]}
        self.release = str(info["release"])
        self.grounding = Grounding(lambda text: [found["title"] for found in client.search(text, 5)])
        self.asked: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._items: dict[str, Item | None] = {}
        self._known_user = known_user

    def unfit(self, script: Script) -> str:
        """Why a script means nothing on this catalogue; empty when it does."""
        for name in script.requires.fields:
            if name not in self.fields:
                return f"the catalogue has no field '{name}'"
        for title in script.requires.titles:
            if all(plain(found["title"]) != plain(title) for found in self.client.search(title, 5)):
                return f"the catalogue has no item titled '{title}'"
        return ""

    def play(self, script: Script) -> list[TurnResult]:
        """Play a script once."""
        user = self._user(script)
        threads: list[str] = []
        thumbs: list[str] = []
        results = []
        check = TurnCheck(self._item, self.grounding, self.release)
        table = self._fresh_table(user)
        thread: str | None = None
        try:
            for turn in script.turns:
                if turn.new_thread:
                    thread, table = None, self._fresh_table(user)
                self._thumbs(turn, table, user, thread, thumbs)
                answer, times = self._say(script, turn, user, thread)
                started = answer.of("start")
                if started and thread is None:
                    thread = str(started[0]["thread_id"])
                    threads.append(thread)
                table.sources.append(turn.message())
                assertions = check(answer, turn.expect, table, turn.filter or script.filter)
                results.append(self._result(turn, answer, times, assertions))
                table.shown += [card for slate in answer.of("slate") for card in slate["cards"]]
                table.slate = answer.cards or table.slate
        finally:
            self._clean(user, threads, thumbs)
        return results

    def _say(self, script: Script, turn: Turn, user: str, thread: str | None) -> tuple[Answer, dict[str, float | None]]:
        rule = turn.filter or script.filter
        return ask(
            self.client,
            turn.message(),
            user=user,
            thread_id=thread,
            k=script.k,
            filter=rule.model_dump(mode="json") if rule is not None else None,
        )

    def _result(
        self, turn: Turn, answer: Answer, times: dict[str, float | None], assertions: list[Assertion]
    ) -> TurnResult:
        self.asked.update(a.name for a in assertions)
        self.failed.update(a.name for a in assertions if not a.passed)
        return TurnResult(
            say=turn.message()[:200],
            text=answer.text,
            titles=[card["title"] for card in answer.cards],
            failed=[a for a in assertions if not a.passed],
            assertions=len(assertions),
            degraded=bool(answer.end.get("degraded", False)),
            first_cards_s=times["first_cards_s"],
            first_words_s=times["first_words_s"],
            seconds=times["seconds"] or 0.0,
        )

    def _user(self, script: Script) -> str:
        if script.user is None:
            return f"guest-{uuid.uuid4().hex[:12]}"
        if script.user != KNOWN_USER:
            return script.user
        if self._known_user is None:
            usual = ("42", "u2", "1", "2", "u1", "user1", "0")
            known = (u for u in usual if self.client.profile(u).get("interactions", 0) >= 3)
            self._known_user = next(known, None)
        if self._known_user is None:
            raise ConfigError("no user with a history was found; name one with --user")
        return self._known_user

    def _fresh_table(self, user: str) -> Table:
        profile = self.client.profile(user)
        known = [str(profile.get("text", ""))]
        known += [str(item["title"]) for side in ("liked", "disliked", "recent") for item in profile.get(side, [])]
        return Table(sources=known)

    def _thumbs(self, turn: Turn, table: Table, user: str, thread: str | None, given: list[str]) -> None:
        for thumb in turn.feedback:
            card = next((c for c in table.slate if c["slot"] == thumb.slot), None)
            if card is None:
                raise ConfigError(f"turn '{turn.say[:60]}' gives a thumb on slot {thumb.slot}, which is empty")
            self.client.feedback(user, card["item_id"], thumb.value, thread)
            given.append(card["item_id"])

    def _item(self, item_id: str) -> Item | None:
        if item_id not in self._items:
            try:
                found = self.client.item(item_id)
            except ClientError as error:
                if error.status != 404:
                    raise
                self._items[item_id] = None
            else:
                self._items[item_id] = Item(id=found["id"], title=found["title"], attributes=found["attributes"])
        return self._items[item_id]

    def _clean(self, user: str, threads: list[str], thumbs: list[str]) -> None:
        for item_id in thumbs:
            self.client.feedback(user, item_id, 0)
        for thread in threads:
            self.client.delete_thread(thread, user)
