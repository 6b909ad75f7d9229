"""A prompt built of pieces: each is added for what it changes in the picture, per token, until nothing pays any more.

After the prompt builder of RecGPT-Mobile (arXiv 2605.04726), which adds components while their marginal gain is
positive and the token budget lasts. The paper leaves the gain open; ours is the Jensen-Shannon divergence
between the interest that the chosen pieces tell and the interest they tell with one more, times the least divergence
from any piece chosen before, so that nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_core.interests.shift import jensen_shannon

FloatArray = NDArray[np.float64]

TOKENS_A_CHARACTER = 0.3
"""English text takes about one token for three to four characters."""


@dataclass(frozen=True)
class Piece:
    """Something that may be told.

    Attributes:
        name: what it is called in logs and tests.
        text: one line for the prompt.
        interests: float64[n_tags] that the line stands for, sums to 1 or is all zero.
        weight: how much it counts in the mixture.
    """

    name: str
    text: str
    interests: FloatArray
    weight: float = 1.0

    @property
    def tokens(self) -> int:
        """About how many tokens the line takes."""
        return max(1, round(TOKENS_A_CHARACTER * len(self.text)))


def choose(pieces: Sequence[Piece], budget: int, min_gain: float = 0.001) -> list[Piece]:
    """The pieces to tell, most telling first.

    Args:
        pieces: what could be told; lines that stand for nothing never pay.
        budget: tokens that they may take together.
        min_gain: divergence, 0 to 1, that a piece must bring at least.
    """
    chosen: list[Piece] = []
    left = [piece for piece in pieces if piece.text and piece.interests.sum() > 0]
    room = budget
    while left:
        gains = [(_gain(chosen, piece), piece) for piece in left if piece.tokens <= room]
        gains = [(gain, piece) for gain, piece in gains if gain >= min_gain]
        if not gains:
            break
        _, best = max(gains, key=lambda pair: pair[0] / pair[1].tokens)
        chosen.append(best)
        left.remove(best)
        room -= best.tokens
    return chosen


def _gain(chosen: Sequence[Piece], piece: Piece) -> float:
    """What one more piece changes, 0 to 1: nothing when it repeats another, all when it is the first."""
    if not chosen:
        return 1.0
    news = min(jensen_shannon(piece.interests, other.interests) for other in chosen)
    return news * jensen_shannon(_mixture(chosen), _mixture([*chosen, piece]))


def _mixture(pieces: Sequence[Piece]) -> FloatArray:
    weights = np.array([piece.weight for piece in pieces])
    return np.average([piece.interests for piece in pieces], axis=0, weights=weights)
