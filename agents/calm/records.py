"""Which records of a collection are about the same thing as a text: shared rare words, found by TF-IDF."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from agents.calm.types import Source

_LEAST, _SAME = 0.12, 0.85


class RelatedRecords:
    """An index over records; a thousand take a fraction of a second and no model.

    Args:
        item_ids: n ids.
        texts: n texts of the records.
    """

    def __init__(self, item_ids: Sequence[str], texts: Sequence[str]) -> None:
        self._ids = list(item_ids)
        self._texts = list(texts)
        self._words = TfidfVectorizer(sublinear_tf=True, stop_words="english", max_features=60_000)
        self._rows = self._words.fit_transform(self._texts) if any(text.strip() for text in texts) else None

    def sources(self, text: str, item_id: str | None = None, most: int = 4) -> tuple[Source, ...]:
        """Records on the same topic, the nearest first; near copies of the text and its own record are left out.

        Args:
            text: what they should be about.
            item_id: the text's own item.
            most: so many at most.
        """
        if self._rows is None or not text.strip():
            return ()
        alike = np.asarray((self._rows @ self._words.transform([text[:4000]]).T).todense()).ravel()
        found = []
        for row in np.argsort(-alike, kind="stable")[: most + 8]:
            if _LEAST <= alike[row] <= _SAME and self._ids[row] != item_id:
                found.append(Source(item_id=self._ids[row], text=self._texts[row]))
        return tuple(found[:most])
