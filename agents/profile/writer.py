"""ProfileWriter: facts become candidate texts, worded by a language model and checked, or by rules without one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.llm.protocol import ChatModel, LLMError, Message, TurnBudget
from agents.llm.schemas import ProfileReply
from agents.profile.checks import checked, mentions
from prompts import render_messages
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.profiles import HistoryFacts, count_tokens, rule_profile, split_lines
from recsys_core.profiles.facts import ValueFact

MAX_REPLY_TOKENS = 170
"""What a reply of 120 tokens takes as JSON."""
SAMPLES = 8
"""Titles shown to the model."""
FOCUSES = (
    "kinds, makers and years",
    "what the titles have in common",
    "kinds and makers",
    "kinds and years",
    "the newest choices",
    "what sets this person apart",
)
"""What a candidate is asked to dwell on; several candidates differ in this and in their samples."""


@dataclass(frozen=True)
class Candidate:
    """One way to put a profile.

    Attributes:
        lines: its statements.
        by: ``llm`` or ``rules``.
        mark: why rules wrote what a language model should have; empty otherwise.
    """

    lines: tuple[str, ...]
    by: str
    mark: str = ""

    @property
    def text(self) -> str:
        """The lines under each other."""
        return "\n".join(self.lines)

    @property
    def tokens(self) -> int:
        """Its length."""
        return count_tokens(self.text)


@dataclass
class ProfileWriter:
    """Writes profiles.

    Args:
        llm: the language model; `none` is one too.
        seconds: what one candidate may take.
    """

    llm: ChatModel
    seconds: float = 60.0
    calls: int = field(default=0, init=False)
    """Candidates asked of the language model so far."""

    async def write(
        self, facts: HistoryFacts, catalogue: Catalogue, n: int = 1, barred: Sequence[str] = ()
    ) -> list[Candidate]:
        """Up to `n` candidates by the language model, one call each; one by rules where none of them is usable.

        Args:
            facts: of the user; nobody else's are told.
            catalogue: whose values are names that a line may not invent.
            n: how many are asked for.
            barred: values that the user has struck out.
        """
        facts = without(facts, barred)
        if not facts.known:
            return [Candidate((), "rules")]
        if self.llm.status.state == "off":
            return [by_rules(facts, barred)]
        if not self.llm.available:
            status = self.llm.status
            reason = status.reason or f"the language model is {status.state}"
            return [by_rules(facts, barred, f"{reason}; written by rules")]
        found: list[Candidate] = []
        failure = ""
        for number in range(max(1, n)):
            try:
                found.append(await self._one(facts, catalogue, number, barred))
            except LLMError as error:
                failure = f"the language model gave no profile ({error.kind}); written by rules"
                break
            except _Unusable as fault:
                failure = f"the language model's profile was not used: {fault}; written by rules"
        distinct = list({candidate.text: candidate for candidate in found}.values())
        return distinct or [by_rules(facts, barred, failure)]

    async def _one(self, facts: HistoryFacts, catalogue: Catalogue, number: int, barred: Sequence[str]) -> Candidate:
        self.calls += 1
        # one request and one repair of its JSON
        budget = TurnBudget(calls=2, tokens=4_000, seconds=self.seconds)
        reply = await self.llm.complete_json(
            messages_for(facts, number), ProfileReply, budget=budget, max_tokens=MAX_REPLY_TOKENS, name="profile"
        )
        lines, refused = checked(reply.lines, facts, catalogue, barred)
        if not lines:
            raise _Unusable(refused[0] if refused else "it was empty")
        return Candidate(tuple(lines), "llm")


class _Unusable(Exception):
    """No line of a reply may stand."""


def messages_for(facts: HistoryFacts, number: int = 0) -> list[Message]:
    """The prompt of a candidate; number 0 is told the newest and best, others are told other samples."""
    rng = random.Random(number)
    pool = list(dict.fromkeys(item.title.strip() for item in (*facts.liked, *facts.recent) if item.title.strip()))
    titles = pool[:SAMPLES] if number == 0 else rng.sample(pool, min(SAMPLES, len(pool)))
    messages: list[Message] = []
    for part in render_messages(
        "profile",
        noun=facts.noun,
        facts=fact_lines(facts),
        titles=titles,
        disliked=[item.title for item in facts.disliked[:3] if item.title.strip()],
        focus=FOCUSES[number % len(FOCUSES)],
    ):
        messages.append({"role": part["role"], "content": part["content"]})
    return messages


def fact_lines(facts: HistoryFacts) -> list[str]:
    """The facts as lines for a prompt."""
    groups: list[tuple[str, Sequence[ValueFact], int]] = [
        ("kinds", facts.genres, 5),
        ("makers", facts.creators, 4),
        ("years", facts.eras, 2),
        ("places", facts.places, 2),
        ("also", facts.others, 2),
        ("words of titles", facts.subjects, 5),
    ]
    lines = [
        f"{name}: {', '.join(dict.fromkeys(fact.value for fact in group[:most]))}"
        for name, group, most in groups
        if group
    ]
    if facts.drift is not None and facts.drift.moved and facts.drift.rising:
        lines.append(f"lately more: {', '.join(facts.drift.rising)}")
    return lines


def by_rules(facts: HistoryFacts, barred: Sequence[str] = (), mark: str = "") -> Candidate:
    """The candidate that rules write."""
    lines = [line for line in split_lines(rule_profile(without(facts, barred))) if not mentions(line, barred)]
    return Candidate(tuple(lines), "rules", mark)


def without(facts: HistoryFacts, barred: Sequence[str]) -> HistoryFacts:
    """The facts without what the user has struck out."""
    if not barred:
        return facts
    named = ("genres", "creators", "eras", "places", "languages", "others", "subjects")
    kept = {name: [f for f in getattr(facts, name) if not mentions(f.value, barred)] for name in named}
    items = {
        name: [item for item in getattr(facts, name) if not mentions(item.title, barred)]
        for name in ("liked", "recent")
    }
    return facts.model_copy(update={**kept, **items})
