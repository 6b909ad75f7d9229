"""BUMP+: the held-out items that are least like the visible history, and the users who are most alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Encode = Callable[[Sequence[str]], NDArray[np.float32]]


class Hardness(NamedTuple):
    """What BUMP+ needs to know of a batch.

    Attributes:
        distances: per user, float64[P_u]: 1 - cosine between each held-out text and the centre of the visible history;
            1 where there is no history.
        nearness: float64[U, U]: cosine between the centres of the visible histories.
    """

    distances: list[Floats]
    nearness: Floats


def hardness(encode: Encode, visible: Sequence[Sequence[str]], held_out: Sequence[Sequence[str]]) -> Hardness:
    """Work it out from texts; every distinct text is encoded once.

    Args:
        encode: texts to float32[n, d], rows of length 1.
        visible: texts of each user's visible history.
        held_out: texts of each user's held-out items.

    Raises:
        ValueError: not the same users.
    """
    if len(visible) != len(held_out):
        raise ValueError(f"visible has {len(visible)} users and held_out {len(held_out)}")
    number = {text: row for row, text in enumerate(dict.fromkeys(t for part in (*visible, *held_out) for t in part))}
    if not number:
        return Hardness([np.zeros(0) for _ in held_out], np.zeros((len(held_out), len(held_out))))
    vectors = encode(list(number)).astype(np.float64)
    centres = np.stack(
        [vectors[[number[t] for t in texts]].sum(axis=0) if texts else 0 * vectors[0] for texts in visible]
    )
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    centres = np.divide(centres, lengths, where=lengths > 0, out=np.zeros_like(centres))
    distances = [
        1.0 - vectors[[number[t] for t in texts]] @ centre if texts else np.zeros(0)
        for texts, centre in zip(held_out, centres, strict=True)
    ]
    return Hardness(distances, centres @ centres.T)


def hardest(held_out: Sequence[Sequence[str]], distances: Sequence[Floats], count: int) -> list[list[str]]:
    """The ``count`` held-out texts of each user that are farthest from their visible history, farthest first.

    Raises:
        ValueError: a user hasn't one distance a text.
    """
    if [len(t) for t in held_out] != [len(d) for d in distances]:
        raise ValueError("every held-out text needs its distance")
    return [
        [texts[n] for n in np.argsort(-away, kind="stable")[:count]]
        for texts, away in zip(held_out, distances, strict=True)
    ]
