"""One simulated person: has a thing in mind, says what is true of it bit by bit, never what it is called."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from agents.understanding.roles import Roles
from eval.simulator import leak
from eval.simulator.attributes import BROAD, Attribute, Kind, attributes_of
from eval.simulator.words import ANSWER, OPENING, OTHERS, UNWANTED, phrase, say
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import Item

PATIENCE = 2
"""From the third message on people say names, too."""
MOST = 0.5
"""Share of the cards that must go against something before it is criticised."""
_ASKED: tuple[tuple[Kind, str], ...] = (
    ("genre", r"kind|genre|sort of|mood|feel like"),
    ("decade", r"year|decade|old|new|recent|period|era"),
    ("length", r"long|length|short|hours|minutes|time do you have"),
    ("country", r"countr|where|from which"),
    ("language", r"language|subtitle"),
    ("maker", r"direct|made by|maker|author|artist"),
    ("performer", r"actor|actress|star|cast|who plays"),
)
"""What a question asks about, by its words."""


class Person:
    """One conversation of one person.

    Args:
        target: what they have in mind.
        catalogue: to know which facts are worth mentioning.
        roles: which field plays which part.
        seed: of wordings and order.
    """

    def __init__(self, target: Item, catalogue: Catalogue, roles: Roles, seed: int) -> None:
        self.target = target
        self._rng = random.Random(seed)
        self._noun = catalogue.item_noun
        self._genre = roles.genres[0] if roles.genres else ""
        may = [a for a in attributes_of(target, catalogue, roles) if self._allowed(a.words)]
        broad = [a for a in may if a.kind in BROAD]
        narrow = [a for a in may if a.kind not in BROAD]
        self._rng.shuffle(broad)
        self._rng.shuffle(narrow)
        # a kind of thing is what people say first, when there is one
        first = next((a for a in broad if a.kind == "genre"), None)
        broad.sort(key=lambda a: a != first)
        self._left = [*broad, *narrow]
        self._said: list[Attribute] = []
        self._unwanted: set[str] = set()
        self._messages = 0

    def open(self) -> str:
        """The first message: one or two broad things, or only a wish for something good."""
        first = [a for a in self._left if a.kind in BROAD][: self._rng.choice((1, 2))] or self._left[:1]
        said = ", ".join(self._tell(attribute) for attribute in first) or "something good"
        return self._checked(phrase(self._rng, OPENING, self._allowed, noun=self._noun, said=said))

    def accepts(self, cards: Sequence[Item]) -> bool:
        """Whether what they have in mind is among the cards."""
        return any(card.id == self.target.id for card in cards)

    def react(self, cards: Sequence[Item], question: str = "") -> str:
        """The next message after cards without the target.

        Args:
            cards: what was shown, best first; may be empty.
            question: what was asked back; empty when nothing was.
        """
        if question:
            return self._checked(self._reply(question))
        wrong = self._wrong(cards)
        if wrong is not None:
            self._note(wrong)
            return self._checked(say(self._rng, wrong, self._allowed, critique=True))
        unwanted = self._too_much(cards)
        if unwanted is not None:
            self._unwanted.add(unwanted)
            return self._checked(phrase(self._rng, UNWANTED, self._allowed, unwanted.lower()))
        if (following := self._next()) is not None:
            return self._checked(self._tell(following))
        return self._checked(phrase(self._rng, OTHERS, self._allowed))

    def _wrong(self, cards: Sequence[Item]) -> Attribute | None:
        """The thing not said yet that most cards go against, the first in order."""
        for attribute in self._sayable():
            against = sum(not attribute.holds(card) for card in cards)
            if cards and against > MOST * len(cards):
                return attribute
        return None

    def _too_much(self, cards: Sequence[Item]) -> str | None:
        """A kind that most cards have and the target hasn't."""
        own = set(_texts(self.target, self._genre))
        counts: dict[str, int] = {}
        for card in cards:
            for value in _texts(card, self._genre):
                counts[value] = counts.get(value, 0) + 1
        for value, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
            new = value not in own and value not in self._unwanted
            if count > MOST * len(cards) and new and self._allowed(value):
                return value
        return None

    def _reply(self, question: str) -> str:
        for kind, words in _ASKED:
            if re.search(words, question, re.IGNORECASE):
                found = next((a for a in (*self._left, *self._said) if a.kind == kind), None)
                if found is not None:
                    self._note(found)
                    return phrase(self._rng, ANSWER, self._allowed, say(self._rng, found, self._allowed))
        following = self._next()
        return self._tell(following) if following is not None else phrase(self._rng, OTHERS, self._allowed)

    def _sayable(self) -> list[Attribute]:
        return [a for a in self._left if a.kind in BROAD or self._messages >= PATIENCE]

    def _next(self) -> Attribute | None:
        return next(iter(self._sayable()), None)

    def _tell(self, attribute: Attribute) -> str:
        self._note(attribute)
        return say(self._rng, attribute, self._allowed)

    def _note(self, attribute: Attribute) -> None:
        if attribute in self._left:
            self._left.remove(attribute)
            self._said.append(attribute)

    def _allowed(self, text: str) -> bool:
        return not leak.leaks(text, self.target.title)

    def _checked(self, message: str) -> str:
        self._messages += 1
        return leak.check(message, self.target.title)


def _texts(item: Item, field: str) -> list[str]:
    value = item.attributes.get(field)
    return [str(v) for v in value] if isinstance(value, list) else []
