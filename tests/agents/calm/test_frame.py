"""A text that is loud after its words were calmed is announced; quiet, foreign, marked-up texts and titles are not."""

import asyncio

import numpy as np
import pytest

from agents.calm.adjust import Calmer, CalmRequest
from agents.calm.frame import FRAME, may_be_framed
from agents.calm.soften import drafts, quieted, told

STIRRING = "A bomb killed 12 people in the town on Sunday and the police did not say who was to blame."


def run(calmer, text, mode):
    async def one():
        request = text if isinstance(text, CalmRequest) else CalmRequest(text=text)
        return [result async for result in calmer.calm([request], mode)]

    (result,) = asyncio.run(one())
    return result


class ThinnedGauge:
    """Stimulus is that of the first words: an announcement halves it."""

    name = "thinned"

    def stimuli(self, texts):
        return np.array([0.3 if t.startswith(FRAME) else 0.6 if "bomb" in t else 0.1 for t in texts], np.float32)

    def similarities(self, text, others):
        return np.full(len(others), 0.9, np.float32)


def test_a_text_that_stays_loud_is_announced_and_says_what_it_said():
    result = run(Calmer(ThinnedGauge()), STIRRING, "balanced")
    assert result.frame == FRAME
    assert result.text == FRAME + STIRRING
    assert result.stimulus_after < result.stimulus_before
    assert result.made_by == "lexicon"
    raw = run(Calmer(ThinnedGauge()), STIRRING, "raw")
    assert raw.frame is None
    assert raw.text == STIRRING


def test_a_quiet_text_and_a_title_are_not_announced():
    calmer = Calmer(ThinnedGauge())
    assert run(calmer, STIRRING.replace("bomb", "baker"), "balanced").frame is None
    assert run(calmer, STIRRING, "cool").frame == FRAME
    request = CalmRequest(text=STIRRING, may_frame=False)
    assert run(calmer, request, "balanced").frame is None


@pytest.mark.parametrize(
    "text",
    [
        "Too short.",
        "Das Erdbeben hinterlässt zwanzig Tote und große Panik unter Bewohnern dieser Stadt.",
        "<p>The bomb killed 12 people in the town on Sunday, the police said.</p>",
        "The list of what was found:\n- a bomb in the town\n- a letter to the police",
    ],
)
def test_no_english_announcement_before_what_is_no_english_prose(text):
    assert not may_be_framed(text)


def test_a_question_is_told_and_quoted_or_no_question_is_not():
    question = "Is Acme waiting for 12 more days?"
    assert [draft.text for draft in told(question, drafts(question))] == [
        "The question is: is Acme waiting for 12 more days."
    ]
    assert told("Acme is waiting.", []) == []
    assert told('"Is Acme waiting?" the chief asked. Or not?', []) == []


def test_spanish_marks_of_exclamation_go_in_pairs():
    assert quieted("¡Impactante! El terremoto deja 20 muertos.") == "Impactante. El terremoto deja 20 muertos."
    assert quieted('Dijo "¡basta!" y salió!') == 'Dijo "¡basta!" y salió.'
