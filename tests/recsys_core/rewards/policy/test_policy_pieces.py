"""The quicker judge reads profiles fact by fact, and everything else whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from recsys_core.rewards.policy.pieces import PiecesJudge
from tests.recsys_core.rewards.policy.test_policy_grammar import GRAMMAR
from tests.recsys_core.rewards.policy.words_judge import WordsJudge


class Vectors:
    name = "words"

    def __init__(self) -> None:
        self.read: list[str] = []

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        self.read += texts
        return WordsJudge().vectors(texts).astype(np.float32)


def test_a_profile_is_taken_apart_by_its_facts():
    judge = PiecesJudge(Vectors(), GRAMMAR)  # type: ignore[arg-type]
    text = "Likes Drama, War and Crime films of the 1990s.\nComes back to Woody Allen.\nSomething else."
    assert judge.pieces(text) == [
        "Likes Drama films.",
        "Likes War films.",
        "Likes Crime films.",
        "From the 1990s.",
        "Comes back to Woody Allen.",
        "Something else.",
    ]
    assert judge.pieces("Heat. A 1995 crime film, and more.") == ["Heat. A 1995 crime film, and more."]
    assert judge.pieces("") == [""]


def test_scores_are_cosines_and_each_fact_is_read_once():
    vectors = Vectors()
    judge = PiecesJudge(vectors, GRAMMAR)  # type: ignore[arg-type]
    items = ["A drama of war.", "A crime story."]
    found = judge.scores(["Likes Drama and War films.", "Likes War and Drama films.", ""], items)
    assert found[0] == pytest.approx(found[1])
    assert found[0, 0] > found[0, 1]
    assert found[2].tolist() == [0, 0]
    assert sorted(vectors.read) == sorted(["", "Likes Drama films.", "Likes War films.", *items])
    assert np.allclose(judge.scores(items, ["Likes War and Drama films."])[:, 0], found[0])
