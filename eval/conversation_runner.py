"""Plays scripted conversations against a running API and counts what holds.

Every repetition uses threads of its own (and, for guests, a user of its own), takes back its thumbs and deletes its
threads, so that scripts don't influence each other and leave nothing behind. On an API of one's own, everything said is
forgotten after each repetition, what was said for good and known items included.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from app.client import ClientError, SidraClient
from eval.assertions import Answer, Assertion, Table, TurnCheck
from eval.conversation_results import (
    ConversationResult,
    Heard,
    Played,
    TurnResult,
    conversation_figures,
    understanding_figures,
)
from eval.faults import FaultyEndpoint
from eval.figures import Progress, Report, make_context
from eval.grounding import Grounding, plain
from eval.hearing import Hearing
from eval.script import KNOWN_USER, Script, Turn
from recsys_core.catalog.items import Item
from recsys_core.errors import ConfigError

NO_FAULTS = "faults of the language model can't be arranged for this API"
"""Why scripts with a fault are skipped."""


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
    """Play scripts against one API; those that want a fault of its language model are skipped.

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
    played = Played()
    play_scripts(client, scripts, played, repeats=repeats, known_user=known_user, progress=progress)
    return report_of(played, repeats=repeats, seed=seed, command=command)


def play_scripts(
    client: SidraClient,
    scripts: Sequence[Script],
    played: Played,
    *,
    repeats: int = 1,
    known_user: str | None = None,
    faulty: FaultyEndpoint | None = None,
    forget: bool = False,
    progress: Progress | None = None,
) -> None:
    """Play scripts and add what came of them.

    Args:
        client: of a running API that is ready.
        scripts: what to play.
        played: where results are added.
        repeats: plays each script so many times.
        known_user: who ``user: known`` is; the first of a few usual ids that has a history when None.
        faulty: the language model of this API, when it is one that fails on demand.
        forget: forget all that was said after each repetition. Only for an API whose conversations are nobody's.
        progress: told after each script.

    Raises:
        ConfigError: the number of repeats is impossible, or nobody with a history was found.
        ClientError: the API is down.
    """
    if repeats < 1:
        raise ConfigError(f"repeats must be at least 1, not {repeats}")
    info = client.info()
    played.release = played.release or str(info.get("release", ""))
    played.language_model = played.language_model or str(info.get("llm", {}).get("name", ""))
    player = _Player(client, info, played, known_user, faulty, forget=forget)
    for number, script in enumerate(scripts, 1):
        skipped = player.unfit(script)
        runs = [] if skipped else [player.play(script) for _ in range(repeats)]
        played.results.append(ConversationResult(name=script.name, kind=script.kind, skipped=skipped, runs=runs))
        if progress is not None:
            progress("scripts", number, len(scripts))


def report_of(played: Played, *, repeats: int = 1, seed: int = 0, command: str | None = None) -> Report:
    """Figures, context and detail of what was played.

    Raises:
        ConfigError: no script fitted the catalogue.
    """
    results = played.results
    if all(result.skipped for result in results):
        raise ConfigError(f"no script fits this catalogue: {results[0].skipped if results else 'none given'}")
    return Report(
        figures={**conversation_figures(results, repeats), **understanding_figures(played)},
        context=make_context(seed=seed, release=played.release, command=command),
        detail=played.detail(),
    )


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

    def __init__(
        self,
        client: SidraClient,
        info: dict[str, Any],
        played: Played,
        known_user: str | None,
        faulty: FaultyEndpoint | None,
        *,
        forget: bool,
    ) -> None:
        self.client = client
        self.fields = {field["name"]: field for field in info["fields"]}
        self.release = str(info["release"])
        self.grounding = Grounding(lambda text: [found["title"] for found in client.search(text, 5)])
        self.played = played
        self.faulty = faulty
        self.forget = forget
        self._items: dict[str, Item | None] = {}
        self._known_user = known_user

    def unfit(self, script: Script) -> str:
        """Why a script means nothing on this catalogue; empty when it does."""
        if self.faulty is None and any(turn.fault for turn in script.turns):
            return NO_FAULTS
        labels = [turn.intent for turn in script.turns if turn.intent is not None]
        for name in (*script.requires.fields, *(name for label in labels for name in sorted(label.fields()))):
            if name not in self.fields:
                return f"the catalogue has no field '{name}'"
        for label in labels:
            for name, values in label.values().items():
                known = self.fields[name]
                # beyond the commonest values of a long list nobody is told which there are
                if known.get("distinct", 0) <= len(known.get("values", [])):
                    for value in sorted(values - set(known["values"])):
                        return f"the field '{name}' has no value '{value}'"
        for title in (*script.requires.titles, *(title for label in labels for title in label.titles())):
            if all(plain(found["title"]) != plain(title) for found in self.client.search(title, 10)):
                return f"the catalogue has no item titled '{title}'"
        return ""

    def play(self, script: Script) -> list[TurnResult]:
        """Play a script once."""
        user = self._user(script)
        threads: list[str] = []
        thumbs: list[str] = []
        results = []
        check = TurnCheck(self._item, self.grounding, self.release)
        hearing = Hearing(self._item)
        table = self._fresh_table(user)
        thread: str | None = None
        try:
            for turn in script.turns:
                if turn.new_thread:
                    thread, table = None, self._fresh_table(user)
                    hearing.new_thread()
                self._thumbs(turn, table, user, thread, thumbs)
                answer, times = self._say(script, turn, user, thread)
                started = answer.of("start")
                if started and thread is None:
                    thread = str(started[0]["thread_id"])
                    threads.append(thread)
                table.sources.append(turn.message())
                assertions = check(answer, turn.expect, table, turn.filter or script.filter)
                heard, broken = hearing.turn(turn.intent, answer, table)
                result = self._result(turn, answer, times, assertions)
                if heard is not None:
                    self.played.scores.append(heard)
                    told = {"right": heard.hits, "missed": heard.missed, "extra": heard.extra}
                    said = {name: [str(pair) for pair in pairs] for name, pairs in told.items()}
                    result.heard = Heard(**said, explicit=heard.explicit)
                    result.checked_cards = len(answer.cards)
                result.violations = [f"'{card.title}': {card.broken}" for card in broken]
                results.append(result)
                table.shown += [card for slate in answer.of("slate") for card in slate["cards"]]
                table.slate = answer.cards or table.slate
        finally:
            self._clean(user, threads, thumbs)
        return results

    def _say(self, script: Script, turn: Turn, user: str, thread: str | None) -> tuple[Answer, dict[str, float | None]]:
        rule = turn.filter or script.filter
        if self.faulty is not None:
            self.faulty.fault = turn.fault
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
        self.played.asked.update(a.name for a in assertions)
        self.played.failed.update(a.name for a in assertions if not a.passed)
        return TurnResult(
            say=turn.message()[:200],
            text=answer.text,
            titles=[card["title"] for card in answer.cards],
            failed=[a for a in assertions if not a.passed],
            assertions=len(assertions),
            fault=turn.fault or "",
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
        if self.forget:
            self.client.forget(user)
