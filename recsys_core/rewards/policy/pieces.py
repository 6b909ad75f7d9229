"""A quicker reading of the embedding judge, for training: a profile is the mean of what its facts say one by one.

The sentence model takes the mean over a text's words, each seen in the light of the others. Read fact by fact
("Likes Drama films.", "Likes War films.") only that light is lost; but there are a few thousand facts against endlessly
many profiles, so nearly every vector is known already and a batch costs next to nothing. How near the two come is
told with each run (figure ``judges_agree``), and held-out users are always measured by the judge of whole texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys_core.rewards.embedding_judge import EmbeddingJudge
from recsys_core.rewards.policy.grammar import Grammar

_LIST = re.compile(r", | and ")


class PiecesJudge:
    """Cosines with profiles read fact by fact; all other texts are read whole.

    Args:
        judge: whose vectors.
        grammar: whose sentences are taken apart.

    Attributes:
        name: the judge's, with ``-pieces``.
    """

    def __init__(self, judge: EmbeddingJudge, grammar: Grammar) -> None:
        self.name = f"{judge.name}-pieces"
        self._judge, self._grammar = judge, grammar
        openings = sorted({p.opening for p in grammar.phrases}, key=len, reverse=True)
        self._opening = re.compile("|".join(re.escape(o) for o in openings))
        self._known: dict[str, list[str] | None] = {}

    def scores(self, queries: Sequence[str], candidates: Sequence[str]) -> NDArray[np.float32]:
        """``float32[Q, C]`` cosines, -1 to 1."""
        pieces = [self.pieces(text) for text in (*queries, *candidates)]
        distinct = list(dict.fromkeys(piece for part in pieces for piece in part))
        if not queries or not candidates:
            return np.zeros((len(queries), len(candidates)), dtype=np.float32)
        place = {piece: n for n, piece in enumerate(distinct)}
        vectors = self._judge.vectors(distinct)
        means = np.stack(
            [vectors[[place[p] for p in part]].mean(0) if part else np.zeros_like(vectors[0]) for part in pieces]
        )
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        units = np.divide(means, lengths, where=lengths > 0, out=np.zeros_like(means))
        return np.asarray(units[: len(queries)] @ units[len(queries) :].T, dtype=np.float32)

    def pieces(self, text: str) -> list[str]:
        """A profile as sentences of one fact each; any other text as itself."""
        lines = text.splitlines()
        if not any(self._opening.match(line) for line in lines):
            return [text]
        return [piece for line in lines for piece in self._split(line.rstrip("."))]

    def _split(self, line: str) -> list[str]:
        phrases = self._grammar.phrases
        fits = [p for p in phrases if not p.after and line.startswith(f"{p.opening} ")]
        if not fits:
            return [f"{line}."]
        first = max(fits, key=lambda p: len(p.opening))
        rest, further = line[len(first.opening) :].strip(), ""
        for phrase in phrases:
            if phrase.after in first.groups and (cut := rest.find(f" {phrase.opening} ")) >= 0:
                rest, further = rest[:cut], rest[cut + len(phrase.opening) + 2 :]
        rest = rest.removesuffix(first.closing)
        pieces = [f"{first.opening} {fact}{first.closing}." for fact in _LIST.split(rest) if fact]
        return pieces + [f"From the {fact}." for fact in _LIST.split(further) if fact]
