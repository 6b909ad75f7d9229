"""Follows one conversation with its labels: what was understood of each message, and whether the cards keep to it."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from agents.intent import Wish
from agents.understood import Understood
from eval.assertions import Answer, Table
from eval.intent_score import TurnScore, score_turn
from eval.labels import IntentLabel
from eval.violations import Constraints, Violation
from recsys_core.catalog.items import Item
from recsys_core.errors import ConfigError


class Hearing:
    """One conversation.

    Args:
        item: looks an item up by id; None when there is no such item.
    """

    def __init__(self, item: Callable[[str], Item | None]) -> None:
        self._item = item
        self._constraints = Constraints()
        self._wishes: list[Wish] = []

    def new_thread(self) -> None:
        """Another conversation of the same person begins."""
        self._constraints.new_thread()

    def turn(self, label: IntentLabel | None, answer: Answer, table: Table) -> tuple[TurnScore | None, list[Violation]]:
        """One turn: how its message was understood, and the cards that break what was said so far.

        Args:
            label: what the message means; a turn without one is not scored, but its cards are checked.
            answer: what came back.
            table: what was there before.

        Raises:
            ConfigError: the API doesn't tell what it understood.
        """
        if answer.refused is not None:
            return None, []
        heard = understood_of(answer)
        slots = {int(card["slot"]): str(card["title"]) for card in table.slate}
        if label is not None:
            self._constraints.hear(label, slots)
        self._wishes += heard.wishes if heard is not None else []
        notes = " ".join(str(slate.get("note", "")) for slate in answer.of("slate"))
        self._constraints.excuse(heard, self._wishes, f"{answer.text} {notes}")
        items = [item for card in answer.cards if (item := self._item(card["item_id"])) is not None]
        score = score_turn(label, heard, slots) if label is not None else None
        return score, self._constraints.check(items)


def understood_of(answer: Answer) -> Understood | None:
    """What the end of an answer says was understood; None for a message that nobody read.

    Raises:
        ConfigError: another version of Sidra answers, which tells it in another way.
    """
    told = answer.end.get("understood")
    if told is None:
        return None
    try:
        return Understood.model_validate(told)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        message = f"the API tells what it understood in another form ('{where}'); use its own version"
        raise ConfigError(message) from error
