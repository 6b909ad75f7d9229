"""What words are about, told from the items that they are used of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def word_content(words: Sequence[Sequence[int]], content: NDArray[np.float32], n_words: int) -> NDArray[np.float32]:
    """Mean content vector of the items in whose texts a token occurs.

    Content is centred, so a token that occurs everywhere is about nothing and gets a short vector; one that occurs
    nowhere gets zero.

    Args:
        words: per item, token numbers of its title, text and attribute values.
        content: float32[n_items, d], centred unit rows.
        n_words: number of tokens for words.

    Returns:
        float32[n_words, d].
    """
    total = np.zeros((n_words, content.shape[1]), dtype=np.float32)
    counts = np.zeros(n_words, dtype=np.float32)
    for own, vector in zip(words, content, strict=True):
        tokens = np.unique(np.asarray(own, dtype=np.int64))
        total[tokens] += vector
        counts[tokens] += 1
    return np.asarray(total / np.maximum(counts, 1)[:, None], dtype=np.float32)
