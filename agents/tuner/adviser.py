"""A language model as an adviser of a study: it reads what was tried and proposes, and the optimiser decides.

What it proposes is a list of knobs and values with a reason. The study checks each proposal against the space, throws
out what was measured, ranks the rest by the same acquisition as its own candidates, and caps the adviser's share.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agents.llm.protocol import ChatModel, LLMError, TurnBudget
from prompts import render_messages
from recsys_core.tuning.history import History, Prediction, Proposal, TrialRecord
from recsys_core.tuning.space import Config, Knob, Space

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class Change(BaseModel):
    """One knob set to a value."""

    model_config = ConfigDict(extra="forbid")

    knob: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
    """Its name."""
    value: int | float | Annotated[str, StringConstraints(max_length=40)]
    """What it is set to."""


class Advice(BaseModel):
    """One configuration that the model would like tried."""

    model_config = ConfigDict(extra="forbid")

    change: list[Change] = Field(min_length=1, max_length=8)
    """What differs from how the release is served now."""
    reason: Text = ""
    """Why."""


class AdviceReply(BaseModel):
    """What the language model answers."""

    model_config = ConfigDict(extra="forbid")

    proposals: list[Advice] = Field(default_factory=list, max_length=5)
    """At most as many as were asked for; more are left out."""


class AdviserConfig(BaseModel):
    """When and how the model is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    begins: int = Field(default=5, ge=1)
    """Trials before it is asked for the first time."""
    every: int = Field(default=3, ge=1)
    """It is asked before every such trial."""
    proposals: int = Field(default=3, ge=1, le=5)
    """Proposals it may make at a time."""
    shown: int = Field(default=12, ge=2)
    """Trials it is shown: the best and the newest."""
    seconds: float = Field(default=90.0, gt=0)
    """Time it has for an answer."""
    max_tokens: int = Field(default=300, ge=50)
    """Length of its answer."""


class Predicts(Protocol):
    """Tells what surrogates expect of configurations."""

    def predict(self, history: History, configs: Sequence[Config]) -> list[Prediction]:
        """One prediction for each, or none at all while too little is known."""
        ...


class LanguageModelAdviser:
    """Asks a language model for proposals. Use as a context manager: it holds an event loop for the model.

    Args:
        llm: the model; started on the adviser's own loop.
        space: what may be changed.
        floor: lower bound of quality that is safe, as a share of the reference's.
        phase: the phase of a trial by its number.
        predicts: surrogates, whose view of untried neighbours is shown; left out, only trials are.
        config: when and how it is asked.
        noun: what an item is called in the plural.
    """

    def __init__(
        self,
        llm: ChatModel,
        space: Space,
        floor: float,
        phase: Any,
        predicts: Predicts | None = None,
        config: AdviserConfig | None = None,
        noun: str = "items",
    ) -> None:
        self._noun = noun
        self._llm = llm
        self._space = space
        self._floor = floor
        self._phase = phase
        self._predicts = predicts
        self.config = config or AdviserConfig()
        self.asked = 0
        """How often the model was asked."""
        self.failures: list[str] = []
        """Why it gave no answer, each time."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tuner-adviser", daemon=True)

    def __enter__(self) -> LanguageModelAdviser:
        self._thread.start()
        self._run(self._llm.start())
        self._run(self._llm.wait_ready(120.0))
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._llm.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __call__(self, history: History) -> list[Proposal]:
        """Proposals for the next trial; none when it isn't the model's turn, or when it gave no answer."""
        done = len(history.trials)
        if done < self.config.begins or (done - self.config.begins) % self.config.every:
            return []
        self.asked += 1
        try:
            reply = self._run(self._ask(history))
        except LLMError as error:
            self.failures.append(f"{error.kind}: {error}"[:200])
            return []
        return [
            Proposal(
                config={change.knob: self._value(change) for change in advice.change},
                proposed_by="llm",
                reason=advice.reason,
            )
            for advice in reply.proposals[: self.config.proposals]
        ]

    async def _ask(self, history: History) -> AdviceReply:
        messages = render_messages(
            "tune",
            noun=self._noun,
            knobs=[told_knob(knob, self._space) for knob in self._space.knobs if len(knob.values) > 1],
            trials=[told_trial(trial) for trial in shown(history, self.config.shown)] + self._expected(history),
            phase=self._phase(len(history.trials)),
            stages=told_stages((history.best() or history.trials[0]).measured.stage_us),
            floor=f"{self._floor:g}",
            count=self.config.proposals,
        )
        budget = TurnBudget(calls=2, tokens=6_000, seconds=self.config.seconds)
        return await self._llm.complete_json(
            messages, AdviceReply, budget=budget, max_tokens=self.config.max_tokens, name="tune"
        )

    def _expected(self, history: History) -> list[str]:
        """What the surrogates expect of the best trial with one knob moved further, three of them."""
        best = history.best()
        if self._predicts is None or best is None:
            return []
        known = {self._space.key(trial.config) for trial in history.trials}
        near = [c for c in one_step(self._space, best.config) if self._space.key(c) not in known]
        expected = self._predicts.predict(history, near)
        ranked = sorted(zip(near, expected, strict=False), key=lambda pair: -pair[1].acquisition)[:3]
        return [
            f"not tried: {told_changes(self._space.changes(config))}; {e.speed:.2f} expected; bound about "
            f"{self._floor + e.slack:.3f}"
            for config, e in ranked
        ]

    def _value(self, change: Change) -> int | float | str:
        """The knob's own value that is meant: models write 8 for 8.0 and "8" for 8."""
        knob = self._space.by_name.get(change.knob)
        for value in knob.values if knob is not None else ():
            if value == change.value or str(value) == str(change.value):
                return value
            if isinstance(value, float) and not isinstance(change.value, str) and abs(value - change.value) < 1e-9:
                return value
        return change.value

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def shown(history: History, count: int) -> list[TrialRecord]:
    """The reference, the best half by score, and the newest, in order of their numbers."""
    best = sorted(history.trials, key=lambda trial: -trial.verdict.score)[: count // 2]
    kept = {trial.number: trial for trial in [*history.trials[:1], *best, *history.trials[-(count - len(best)) :]]}
    return [kept[number] for number in sorted(kept)][-count:]


def one_step(space: Space, config: Config) -> list[Config]:
    """Valid configurations with one ordered knob moved by one value."""
    found = []
    for knob in space.knobs:
        if not knob.ordered or not space.counts(knob, config):
            continue
        place = knob.values.index(config[knob.name])
        for other in (place - 1, place + 1):
            if 0 <= other < len(knob.values):
                moved = {**config, knob.name: knob.values[other]}
                if not space.problems(moved):
                    found.append(space.canonical(moved))
    return found


def told_knob(knob: Knob, space: Space) -> str:
    """A knob in one line of the prompt."""
    now = space.reference[knob.name]
    others = ", ".join(str(value) for value in knob.values if value != now)
    where = f" (only with {knob.when[0]} {knob.when[1]})" if knob.when is not None else ""
    return f"{knob.name}: {now}; {others}; {knob.meaning or 'no more is known'}{where}"


def told_trial(trial: TrialRecord) -> str:
    """A trial in one line of the prompt."""
    changes = told_changes(trial.changes)
    if trial.measured.failure:
        return f"{changes}; failed ({trial.measured.failure})"
    unchanged = "; changed nothing" if trial.same_as is not None else ""
    return f"{changes}; {trial.verdict.speed:.2f}; {trial.verdict.lower:.3f}{unchanged}"


def told_changes(changes: dict[str, Any]) -> str:
    """``beam=8, history=20``, or that nothing was changed."""
    return ", ".join(f"{name}={value}" for name, value in changes.items()) or "as served now"


def told_stages(stages: dict[str, float]) -> str:
    """Stages by their share of the time, largest first."""
    total = sum(stages.values())
    if total <= 0:
        return "not known"
    largest = sorted(stages.items(), key=lambda stage: -stage[1])
    return ", ".join(f"{name} {us / total:.0%}" for name, us in largest if us >= 0.005 * total)
