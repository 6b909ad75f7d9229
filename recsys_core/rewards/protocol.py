"""Who judges whether a profile and an item belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class Judge(Protocol):
    """Scores texts against texts. A pair's score depends on the pair alone."""

    name: str
    """What reports call it."""

    def scores(self, queries: Sequence[str], candidates: Sequence[str]) -> NDArray[np.float32]:
        """``float32[len(queries), len(candidates)]``: the higher, the better the candidate fits the query."""
        ...


class Question(NamedTuple):
    """One list to be ranked.

    Attributes:
        query: a profile (which items fit?) or an item (whose profile fits?).
        candidates: texts in the order in which they are shown.
        about: ``items`` when the candidates are items, ``profiles`` when they are profiles.
    """

    query: str
    candidates: Sequence[str]
    about: str


@runtime_checkable
class ListJudge(Protocol):
    """Ranks whole lists, so that what a candidate gets may depend on the others and on its place (an LLM does)."""

    name: str
    """What reports call it."""

    def rank(self, questions: Sequence[Question]) -> list[NDArray[np.float32]]:
        """One ``float32[len(candidates)]`` a question, in the order shown: the higher, the better the fit.

        Candidates that were not ranked share the lowest score; a question without a usable answer gives all candidates
        the same score. Ties are broken by the order shown, which is a shuffle.
        """
        ...
