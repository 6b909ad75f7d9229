"""The personal guide: how loud a person likes texts, learned from what they chose, and a mode for each item.

A person has a threshold: texts below it they want as they are, texts above it calmer. What they chose and said moves a
belief about it on a grid (a logistic likelihood with lapses; our own definition, MALLET gives none). The guide only
proposes: nothing here changes what is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from agents.reading.modes import Effective, Mode, calmer
from agents.store.reading import Evidence

Verdict = Literal["too_loud", "right", "too_tame"]
"""What somebody says of a version they read."""
Persona = Literal["sensitive", "moderate", "stimulus-seeking"]

_GRID = np.linspace(0.0, 1.2, 121)
_PRIOR_MEAN, _PRIOR_SD = 0.6, 0.3
_WIDTH = 0.1
"""Stimulus over which a choice turns from nearly sure to nearly sure the other way."""
_LAPSE = 0.05
"""Share of choices that say nothing of taste: a slip, curiosity."""
_WEIGHTS = {"card": 1.0, "verdict": 1.0, "thread": 0.25}
"""A choice for a whole conversation says less of each item in it."""
SENSITIVE_BELOW, SEEKING_FROM = 0.42, 0.75
LEAST_EVIDENCE = 3
"""With fewer acts the guide says that it hardly knows the person."""


class Sensitivity(BaseModel):
    """How loud a person likes texts."""

    model_config = ConfigDict(extra="forbid")

    threshold: float
    """Stimulus from which a text is probably too loud for them, 0 to 1.2 (above 1 none is)."""
    spread: float
    """Standard deviation of the belief about it."""
    persona: Persona
    """Which of three kinds of reader that is nearest to."""
    background: float
    """How much they like a sentence of background, 0 to 1."""
    acts: int
    """How many of their acts taught this."""
    words: str
    """The same in a sentence."""


class Proposal(BaseModel):
    """A mode for one item; shown beside it, never applied by itself."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode
    """Which."""
    reason: str
    """Why, one sentence with its figures."""


def sensitivity(evidence: Sequence[Evidence], stimuli: Mapping[str, float]) -> Sensitivity:
    """What a person's acts tell of them.

    Args:
        evidence: what they chose and judged.
        stimuli: stimulus of the original text by item id, 0 to 1; acts on other items count for nothing.
    """
    known = [each for each in evidence if each.item_id in stimuli]
    log_belief = -0.5 * ((_GRID - _PRIOR_MEAN) / _PRIOR_SD) ** 2
    cool = calm = 0.0
    for each in known:
        weight = _WEIGHTS.get(each.source, 0.0)
        keeps = 1.0 / (1.0 + np.exp(-(_GRID - stimuli[each.item_id]) / _WIDTH))
        likely = keeps if each.mode == "raw" else 1.0 - keeps
        log_belief = log_belief + weight * np.log(_LAPSE / 2 + (1 - _LAPSE) * likely)
        calm += weight * (each.mode != "raw")
        cool += weight * (each.mode == "cool")
    belief = np.exp(log_belief - log_belief.max())
    belief /= belief.sum()
    threshold = float((_GRID * belief).sum())
    spread = float(np.sqrt(((_GRID - threshold) ** 2 * belief).sum()))
    persona: Persona = (
        "sensitive" if threshold < SENSITIVE_BELOW else "stimulus-seeking" if threshold >= SEEKING_FROM else "moderate"
    )
    return Sensitivity(
        threshold=round(threshold, 3),
        spread=round(spread, 3),
        persona=persona,
        background=round((cool + 0.5) / (calm + 1.5), 3),
        acts=len(known),
        words=_words(persona, threshold, len(known)),
    )


def propose(person: Sensitivity, stimulus: float, held: Effective) -> Proposal | None:
    """A mode for an item; None where the person has chosen one, for the card or for the conversation.

    Args:
        person: what is known of them.
        stimulus: of the item's original text, 0 to 1.
        held: the mode that holds for the card.
    """
    if held.by != "default":
        return None
    mode: Mode = "raw"
    if stimulus >= person.threshold:
        mode = "cool" if person.background > 0.5 else "balanced"
    if person.acts < LEAST_EVIDENCE:
        line = f"the line I begin with, {person.threshold:.2f}; I know {_counted(person.acts)} of yours so far"
    else:
        line = f"your line, about {person.threshold:.2f} by {_counted(person.acts)} of yours"
    if mode == "raw":
        return Proposal(mode=mode, reason=f"Its stimulus of {stimulus:.2f} is below {line}.")
    more = "; you mostly took the version with background" if mode == "cool" else ""
    return Proposal(mode=mode, reason=f"Its stimulus of {stimulus:.2f} is above {line}{more}.")


def wanted_by(verdict: Verdict, shown: Mode) -> Mode:
    """The mode that a verdict on a shown version asks for."""
    if verdict == "right":
        return shown
    return "raw" if verdict == "too_tame" else calmer(shown)


def _words(persona: Persona, threshold: float, acts: int) -> str:
    if acts < LEAST_EVIDENCE:
        return f"I know {_counted(acts)} of yours, too few to tell; the line I begin with is {threshold:.2f}."
    what = {
        "sensitive": "You prefer calm wording early",
        "moderate": "You take lively wording and prefer the loud toned down",
        "stimulus-seeking": "You like texts as they are, loud ones included",
    }[persona]
    return f"{what}: by {_counted(acts)} your line lies at a stimulus of about {min(threshold, 1.0):.2f}."


def _counted(acts: int) -> str:
    return "1 choice" if acts == 1 else f"{acts or 'no'} choices"
