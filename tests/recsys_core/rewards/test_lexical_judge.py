"""The lexical judge: words in common, weighed by rarity, whatever their endings."""

from __future__ import annotations

import numpy as np

from recsys_core.rewards.lexical_judge import LexicalJudge, terms


def test_words_in_common() -> None:
    """Rare words count more than common ones, endings and function words don't matter."""
    judge = LexicalJudge(["drama about a trial", "drama about war", "drama, comedy", "comedies of errors"])
    found = judge.scores(["Likes comedies.", "trial drama", "", "unheard-of"], ["a comedy", "drama", "trial", ""])
    assert found.shape == (4, 4)
    assert found[0, 0] > 0
    assert (found[0, 1:] == 0).all()
    assert found[1, 2] > found[1, 1] > 0
    assert (found[2:] == 0).all()
    assert (found[:, 3] == 0).all()
    assert np.isclose(judge.scores(["trial drama"], ["drama of a trial"]), 1.0)
    assert terms("The Comedies, and the COMEDY!") == ["comed", "comed"]
    assert LexicalJudge([]).scores(["a b"], ["c"]).tolist() == [[0.0]]
