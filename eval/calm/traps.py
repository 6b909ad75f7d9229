"""Forty sensational texts with a trap each: what a rewriter made of them, and whether it fell in."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from agents.calm.adjust import Calmer
from agents.calm.facts import facts_of
from agents.calm.types import CalmRequest, CalmResult, Mode
from agents.llm.protocol import ChatModel, TurnBudget
from eval.calm.violations import violations


class Trap(BaseModel):
    """One text and what must become of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """What the trap is."""
    text: str
    """The text."""
    times: int = Field(default=1, ge=1)
    """How often it is repeated, with blanks between."""
    keep: list[str] = Field(default_factory=list)
    """Must stand in what is shown; letter case doesn't matter."""
    never: list[str] = Field(default_factory=list)
    """Must not."""
    negations: int | None = None
    """So many negations must be left."""
    same: bool = False
    """Must come out to the character."""

    @property
    def whole(self) -> str:
        """The text as it is calmed."""
        return " ".join([self.text] * self.times)


class Sprung(BaseModel):
    """What a rewriter made of a trap."""

    model_config = ConfigDict(extra="forbid")

    name: str
    """Of the trap."""
    before: str
    """The text, cut to 200 characters."""
    after: str
    """What is shown, cut the same."""
    made_by: str
    """Language model, lexicon or unchanged."""
    stimulus: tuple[float, float]
    """Before and after."""
    wrong: list[str]
    """What is wrong with it; empty when it kept clear of the trap."""


@cache
def traps() -> list[Trap]:
    """All of them, from `traps.yaml`."""
    source = (files("eval.calm") / "traps.yaml").read_text(encoding="utf-8")
    return TypeAdapter(list[Trap]).validate_python(yaml.safe_load(source))


async def spring(calmer: Calmer, llm: ChatModel | None, mode: Mode = "balanced") -> list[Sprung]:
    """Calm every trap.

    Args:
        calmer: what calms.
        llm: language model; None is the lexicon alone.
        mode: how much.
    """
    found = []
    for trap in traps():
        budget = TurnBudget(calls=20, tokens=20_000, seconds=300.0)
        async for result in calmer.calm([CalmRequest(text=trap.whole)], mode, llm, budget):
            found.append(
                Sprung(
                    name=trap.name,
                    before=result.original[:200],
                    after=result.text[:200],
                    made_by=result.made_by,
                    stimulus=(round(result.stimulus_before, 3), round(result.stimulus_after, 3)),
                    wrong=_wrong(trap, result),
                )
            )
    return found


def _wrong(trap: Trap, result: CalmResult) -> list[str]:
    shown = result.text.casefold()
    wrong = [f"lost: {kept}" for kept in trap.keep if kept.casefold() not in shown]
    wrong += [f"says: {bad}" for bad in trap.never if bad.casefold() in shown]
    if trap.same and result.text != trap.whole:
        wrong.append("was calm, code or not English, and was changed")
    if trap.negations is not None:
        left = facts_of(result.text).negations.total()
        if left != trap.negations:
            wrong.append(f"{left} negations, {trap.negations} are right")
    if result.original != trap.whole:
        wrong.append("the original is gone")
    return wrong + violations(result, {})
