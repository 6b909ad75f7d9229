"""Three reference readers teach the guide; it proposes to each what they would choose, and never beside a choice."""

from __future__ import annotations

import random

import pytest

from agents.reading.guide import LEAST_EVIDENCE, Sensitivity, propose, sensitivity, wanted_by
from agents.reading.modes import Effective
from agents.store.reading import Evidence

LINES = {"sensitive": 0.25, "moderate": 0.58, "stimulus-seeking": 1.0}
"""Above this stimulus each of them wants calmer words."""
NOBODY_CHOSE = Effective("raw", "default")


def taught(line: float, acts: int = 24, slips: int = 1, seed: int = 5, calm: str = "balanced") -> Sensitivity:
    """What the guide knows of somebody with this line after so many choices, some of them slips."""
    chance = random.Random(seed)
    stimuli = {f"i{n}": chance.random() for n in range(acts)}
    evidence = []
    for n, (item, stimulus) in enumerate(stimuli.items()):
        loud = (stimulus >= line) != (n < slips)
        evidence.append(Evidence(item, "card", calm if loud else "raw", float(n)))
    return sensitivity(evidence, stimuli)


@pytest.mark.parametrize("persona", LINES)
def test_a_persona_is_recognised_and_served(persona: str) -> None:
    person = taught(LINES[persona])
    assert person.persona == persona
    right = 0
    for n in range(101):
        proposal = propose(person, n / 100, NOBODY_CHOSE)
        assert proposal is not None
        assert f"{n / 100:.2f}" in proposal.reason
        right += (proposal.mode != "raw") == (n / 100 >= LINES[persona])
    assert right >= 88, f"{right} of 101 proposals are what this reader would choose"


def test_more_choices_make_the_guide_surer() -> None:
    spreads = [taught(0.4, acts).spread for acts in (0, 4, 16, 48)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < spreads[0] / 2


@pytest.mark.parametrize("by", ["card", "thread"])
@pytest.mark.parametrize("mode", ["raw", "balanced", "cool"])
@pytest.mark.parametrize("line", LINES.values())
def test_a_choice_is_never_argued_with(by: str, mode: str, line: float) -> None:
    for n in range(0, 101, 10):
        assert propose(taught(line), n / 100, Effective(mode, by)) is None  # type: ignore[arg-type]


def test_who_takes_background_is_offered_background() -> None:
    cool, plain = taught(0.3, calm="cool"), taught(0.3)
    loud = propose(cool, 0.9, NOBODY_CHOSE)
    assert loud is not None
    assert loud.mode == "cool"
    assert "background" in loud.reason
    assert getattr(propose(plain, 0.9, NOBODY_CHOSE), "mode", "") == "balanced"


def test_a_stranger_is_told_that_they_are_one() -> None:
    person = sensitivity([], {})
    assert (person.persona, person.acts) == ("moderate", 0)
    assert "too few" in person.words
    proposal = propose(person, 0.9, NOBODY_CHOSE)
    assert proposal is not None
    assert "I know no choices of yours" in proposal.reason
    known = taught(0.3, acts=LEAST_EVIDENCE, slips=0)
    assert "too few" not in known.words


def test_acts_on_items_that_are_gone_count_for_nothing() -> None:
    evidence = [Evidence("gone", "card", "cool", 1.0)]
    assert sensitivity(evidence, {}) == sensitivity([], {})


def test_a_choice_for_the_whole_conversation_says_less_than_one_for_a_card() -> None:
    stimuli = {f"i{n}": 0.45 for n in range(6)}

    def after(source: str) -> float:
        return sensitivity([Evidence(i, source, "balanced", 1.0) for i in stimuli], stimuli).threshold

    assert after("card") < after("thread") < sensitivity([], {}).threshold


def test_verdicts_ask_for_the_step_that_they_mean() -> None:
    assert [wanted_by("too_loud", mode) for mode in ("raw", "balanced", "cool")] == ["balanced", "cool", "cool"]  # type: ignore[arg-type]
    assert wanted_by("right", "cool") == "cool"
    assert wanted_by("too_tame", "cool") == "raw"
