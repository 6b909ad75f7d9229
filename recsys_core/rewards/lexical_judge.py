"""A second judge that shares nothing with the first: words in common, weighed by how rare they are in the catalogue.

No sentence model, no learned weights, no notion of what is alike in meaning: a profile that only pleases the sentence
model's geometry finds no favour here. It errs in other ways (a synonym is nothing to it, a copied title a lot), which
is what a second judge is for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_WORD = re.compile(r"[^\W_]{2,}")
_STEM = 5
_SAID_OF_ANYTHING = re.compile(
    r"a|also|an|and|any|are|as|at|be|but|by|for|from|has|have|he|her|his|in|is|it|its|likes?|made|more|most|no|not|of|"
    r"often|on|or|others?|she|so|some|such|than|that|the|their|them|these|they|this|those|to|user|very|was|were|which|"
    r"who|with|you|your"
)


class LexicalJudge:
    """Cosine of TF-IDF vectors; words are cut to five letters, so that "comedies" meets "comedy".

    Args:
        texts: what the rarity of words is counted in: the catalogue's items, never profiles.

    Attributes:
        name: ``lexical``.
    """

    name = "lexical"

    def __init__(self, texts: Sequence[str]) -> None:
        held: dict[str, int] = {}
        for text in texts:
            for word in set(terms(text)):
                held[word] = held.get(word, 0) + 1
        self._column = {word: n for n, word in enumerate(held)}
        self._weight = np.log((1.0 + len(texts)) / (1.0 + np.array(list(held.values()), dtype=np.float64))) + 1.0
        self._known: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}

    def scores(self, queries: Sequence[str], candidates: Sequence[str]) -> NDArray[np.float32]:
        """``float32[Q, C]`` cosines, 0 to 1; 0 for texts without a word that the catalogue has."""
        table = self._matrix(queries) @ self._matrix(candidates).T
        return np.asarray(table.toarray(), dtype=np.float32).reshape(len(queries), len(candidates))

    def _matrix(self, texts: Sequence[str]) -> sparse.csr_matrix:
        rows = [self._vector(text) for text in texts]
        starts = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows])]).astype(np.int64)
        columns = np.concatenate([np.zeros(0, dtype=np.int64), *(columns for columns, _ in rows)])
        values = np.concatenate([np.zeros(0), *(values for _, values in rows)])
        return sparse.csr_matrix((values, columns, starts), shape=(len(texts), max(1, len(self._column))))

    def _vector(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        if text not in self._known:
            found = np.array([self._column[word] for word in terms(text) if word in self._column], dtype=np.int64)
            columns, counts = np.unique(found, return_counts=True)
            values = (1.0 + np.log(counts)) * self._weight[columns] if len(columns) else np.zeros(0)
            length = float(np.linalg.norm(values))
            self._known[text] = (columns, values / length if length else values)
        return self._known[text]


def terms(text: str) -> list[str]:
    """Words of two letters and more, lower case, cut to five letters; words said of anything are left out."""
    words = (word.casefold() for word in _WORD.findall(text))
    return [word[:_STEM] for word in words if not _SAID_OF_ANYTHING.fullmatch(word)]
