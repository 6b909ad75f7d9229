"""What everybody chooses: the shares that a user's own are held against, worked out once for a catalogue."""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.interests.space import InterestSpace
from recsys_core.profiles.parts import Part, part_of

Floats = NDArray[np.float64]

LEAST_ITEMS = 2
"""A value or a word of one item alone can't be chosen again."""
COMMON_WORD = 0.1
"""A word in the titles of more of the catalogue than this says nothing."""

_WORD = re.compile(r"[^\W\d_]{3,}(?:['’-][^\W\d_]+)*")
_FUNCTION_WORD = re.compile(
    r"the|and|for|with|from|into|you|your|our|his|her|its|their|this|that|are|was|not|all|one|two|three|four|five|six|"
    r"but|who|what|how|out|off|about|over|under|than|then|them|they|him|she|has|had|have|can|will|mrs|miss|sir|"
    r"part|vol|volume|edition|series|new|inch|inches|pack|count|set|pieces?|per|size|"
    r"die|der|das|les|los|las|della|una|une|von|und"
)


class Averages:
    """The tags and title words of a catalogue, and how often all users choose each.

    Args:
        catalogue: the items.
        counts: int64[n_items], how often each item was chosen in what may be learned from; every item once when None.

    Attributes:
        catalogue: the items.
        space: tags that at least two items have.
        chosen: float64[n_items], share of all choices that fell on each item, smoothed; sums to 1.
    """

    def __init__(self, catalogue: Catalogue, counts: NDArray[np.int64] | None = None) -> None:
        self.catalogue = catalogue
        self.space = InterestSpace(catalogue, min_items=LEAST_ITEMS)
        smoothed = np.ones(len(catalogue)) if counts is None else counts.astype(np.float64) + 1.0
        self.chosen: Floats = smoothed / smoothed.sum()

    @cached_property
    def tags(self) -> sparse.csr_matrix:
        """Bool csr[n_items, n_tags]."""
        return self.space.matrix.tocsr()

    @cached_property
    def tag_parts(self) -> dict[Part, NDArray[np.bool_]]:
        """Bool[n_tags] of each part: the tags whose field plays it."""
        parts = {name: part_of(spec) for name, spec in self.catalogue.fields.items()}
        return {part: np.array([parts[tag.field] is part for tag in self.space.tags], dtype=np.bool_) for part in Part}

    @cached_property
    def tag_shares(self) -> Floats:
        """float64[n_tags]: share of all choices that has each tag, 0 to 1."""
        return np.asarray(self.chosen @ self.space.matrix, dtype=np.float64).ravel()

    @cached_property
    def _title_words(self) -> tuple[sparse.csr_matrix, list[str]]:
        found = [_words(title) for title in self.catalogue.titles]
        held = Counter(word for words in found for word in words)
        spelled: dict[str, str] = {}
        for words in found:
            for word, written in words.items():
                spelled.setdefault(word, written)
        most = max(LEAST_ITEMS, COMMON_WORD * len(found))
        kept = sorted(word for word, count in held.items() if LEAST_ITEMS <= count <= most)
        column = {word: n for n, word in enumerate(kept)}
        pairs = [(row, column[word]) for row, words in enumerate(found) for word in words if word in column]
        rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        shape = (len(found), len(kept))
        matrix = sparse.csr_matrix((np.ones(len(rows), dtype=np.bool_), (rows, columns)), shape=shape)
        return matrix, [spelled[word] for word in kept]

    @property
    def words(self) -> sparse.csr_matrix:
        """Bool csr[n_items, n_words]: words of titles that several items share."""
        return self._title_words[0]

    @property
    def spellings(self) -> list[str]:
        """The words, as a title writes them."""
        return self._title_words[1]

    @cached_property
    def word_shares(self) -> Floats:
        """float64[n_words]: share of all choices that has each word, 0 to 1."""
        return np.asarray(self.chosen @ self.words, dtype=np.float64).ravel()


def _words(title: str) -> dict[str, str]:
    """Folded words of a title and how it writes them; numbers, single letters and function words are left out."""
    return {
        folded: match.group()
        for match in _WORD.finditer(title)
        if not _FUNCTION_WORD.fullmatch(folded := match.group().casefold())
    }
