"""The embedding judge encodes what is new once, and gives empty texts no direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_core.rewards.embedding_judge import EmbeddingJudge


class Letters:
    """Encoder of letter counts."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode_texts(self, texts: Sequence[str], progress: object = None) -> NDArray[np.float32]:
        self.encoded += texts
        found = np.array([[1 + t.count(c) for c in "abc"] for t in texts], dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_cosines_and_memory() -> None:
    """Cosines of distinct texts, each encoded once; an empty text ties with everything."""
    letters = Letters()
    judge = EmbeddingJudge(letters)  # type: ignore[arg-type]
    found = judge.scores(["aaa", "", "aaa"], ["aaaa", "ccc", "  "])
    assert found.shape == (3, 3)
    assert found[0, 0] > found[0, 1]
    assert (found[1] == 0).all()
    assert (found[:, 2] == 0).all()
    judge.scores(["ccc", "aaa"], ["b"])
    assert sorted(letters.encoded) == sorted({"aaa", "", "aaaa", "ccc", "  ", "b"})
    assert judge.scores([], ["a"]).shape == (0, 1)
    assert judge.scores(["a"], []).shape == (1, 0)
