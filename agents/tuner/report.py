"""What a study came to, in plain words: for the page, the command line and a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agents.tuner.adviser import told_changes
from recsys_core.tuning.history import History, Prediction, TrialRecord
from recsys_core.tuning.promotion import Promotion
from recsys_core.tuning.space import Config, Space


class KnobEffect(BaseModel):
    """What one changed knob gives, as far as the surrogates tell."""

    model_config = ConfigDict(extra="forbid")

    knob: str
    """Its name."""
    value: Any
    """Its proposed value."""
    now: Any
    """Its value now."""
    speed: float
    """How many times as fast the proposed configuration is as the same without this change."""
    quality: float
    """Quality bound with the change minus without it."""


class TuningReport(BaseModel):
    """A study in words and figures."""

    model_config = ConfigDict(extra="forbid")

    study: str
    """Its name."""
    release: str
    """What was tuned."""
    trials: int = 0
    """Configurations that were measured."""
    sentences: list[str]
    """The findings, most important first."""
    promotion: Promotion | None
    """What is proposed; None when nothing safe is faster."""
    knobs: list[KnobEffect] = Field(default_factory=list)
    """The proposed changes, largest gain first."""

    def markdown(self) -> str:
        """The report as a page."""
        lines = [f"# Tuning of release {self.release}", "", f"Study `{self.study}`.", ""]
        lines += [f"* {sentence}" for sentence in self.sentences]
        if self.knobs:
            lines += ["", "| setting | now | proposed | times as fast | quality bound |", "|---|---|---|---|---|"]
            lines += [
                f"| {k.knob} | {k.now} | {k.value} | {k.speed:.2f} | {k.quality:+.3f} |"
                for k in sorted(self.knobs, key=lambda k: -k.speed)
            ]
            lines += ["", "What a single change gives is the surrogates' estimate; the whole was measured."]
        return "\n".join(lines) + "\n"


def make_report(
    study: str,
    release: str,
    space: Space,
    history: History,
    promotion: Promotion | None,
    *,
    stopped: str = "trials",
    advice: str = "",
    effects: Sequence[KnobEffect] = (),
    asked: int = 0,
    failures: Sequence[str] = (),
) -> TuningReport:
    """Put a study into words.

    Args:
        study: its name.
        release: what was tuned.
        space: what could be changed.
        history: all trials.
        promotion: what is proposed, with its figures on the test queries.
        stopped: why the study ended.
        advice: what to do where nothing was safe.
        effects: what each change gives.
        asked: how often a language model was asked.
        failures: why it gave no answer.
    """
    found = [_result(promotion, history, advice), _trials(history, stopped)]
    if promotion is not None and promotion.proposed_by:
        why = f": {promotion.reason}" if promotion.reason else ""
        found.append(f"The configuration was proposed by {_who(promotion.proposed_by)}{why}.")
    found += _noticed(history, space)
    if asked:
        by_model = sum(trial.proposed_by == "llm" for trial in history.trials)
        silent = f"; {len(failures)} times it gave no answer ({failures[-1]})" if failures else ""
        found.append(f"The language model was asked {asked} times; {by_model} of its proposals were measured{silent}.")
    return TuningReport(
        study=study,
        release=release,
        trials=len(history.trials),
        sentences=found,
        promotion=promotion,
        knobs=list(effects) if promotion else [],
    )


def effects_of(space: Space, config: Config, history: History, predict: Any) -> list[KnobEffect]:
    """What each change of a configuration gives: surrogates with it and with that knob put back.

    Args:
        space: of the study.
        config: the proposed configuration.
        history: all trials.
        predict: ``(history, configs) -> predictions``, as :meth:`Optimiser.predict`.
    """
    changes = space.changes(config)
    without = {}
    for name in changes:
        put_back = {**config, name: space.reference[name]}
        if not space.problems(put_back):
            without[name] = space.canonical(put_back)
    predictions: list[Prediction] = predict(history, [space.canonical(config), *without.values()])
    if not predictions:
        return []
    whole = predictions[0]
    return [
        KnobEffect(
            knob=name,
            value=changes[name],
            now=space.reference[name],
            speed=whole.speed / part.speed if part.speed > 0 else 1.0,
            quality=whole.slack - part.slack,
        )
        for name, part in zip(without, predictions[1:], strict=True)
    ]


def _result(promotion: Promotion | None, history: History, advice: str) -> str:
    if promotion is not None:
        return (
            f"Proposed: {told_changes(promotion.changes)}. On queries kept for this alone it answers "
            f"{promotion.speed:.2f} times as many requests with the same work, and keeps {promotion.quality:.1%} of "
            f"the quality (at least {promotion.lower:.1%} by those queries alone; the floor, proven on two other sets, "
            f"is {promotion.floor:.0%})."
        )
    best = history.best()
    if best is not None and best.number > 0:
        tried = told_changes(best.changes)
        return f"Nothing is proposed: what was best in the search ({tried}) didn't hold on other queries."
    return f"Nothing is proposed: no safe configuration is faster than what is served now. {advice}".strip()


def _trials(history: History, stopped: str) -> str:
    safe = sum(trial.feasible for trial in history.trials)
    failed = Counter(trial.measured.failure for trial in history.trials if trial.measured.failure)
    told = f"{len(history.trials)} configurations were measured, {safe} of them safe"
    if failed:
        told += "; " + ", ".join(f"{count} failed ({why})" for why, count in failed.items())
    return told + ("." if stopped == "trials" else f"; the search ended early: {stopped}.")


def _noticed(history: History, space: Space) -> list[str]:
    found = []
    for name, changes in history.without_effect().items():
        found.append(f"{name} has no effect here: {', '.join(changes[:3])} gave the same answers for the same work.")
    if history.refused:
        told = ", ".join(f"{count} {why}" for why, count in history.refused.items())
        found.append(f"Proposals that were refused: {told}.")
    dear = _dearest(history.trials[0]) if history.trials else None
    if dear:
        found.append(f"As served now most time goes to {dear}.")
    return found


def _dearest(reference: TrialRecord) -> str:
    stages = reference.measured.stage_us
    total = sum(stages.values())
    if total <= 0:
        return ""
    largest = sorted(stages.items(), key=lambda stage: -stage[1])[:3]
    return ", ".join(f"{name} ({us / total:.0%})" for name, us in largest)


def _who(name: str) -> str:
    return {"sidra": "the optimiser", "llm": "the language model", "person": "a person"}.get(name, name)
