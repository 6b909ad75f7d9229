"""The obvious way: a dictionary from each prefix to the tokens that may follow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recsys_core.constraints.continuations import Floats
from recsys_core.constraints.reference.protocol import sid_table

_Node = dict[int, Any]


class DictTrie:
    """Nested dictionaries, walked from the root for every state.

    Args:
        sids: ``int[n, L]`` allowed semantic IDs, in any order, repeated or not.

    Raises:
        BuildError: not a table of whole numbers, or an empty one.
    """

    complete = sound = True

    def __init__(self, sids: ArrayLike) -> None:
        self.root: _Node = {}
        for sid in sid_table(sids).tolist():
            node = self.root
            for token in sid:
                node = node.setdefault(token, {})

    def allowed(self, prefix: list[int]) -> list[int]:
        """Tokens that may follow a prefix; none after an unknown one."""
        node = self.root
        for token in prefix:
            if token not in node:
                return []
            node = node[token]
        return list(node)

    def mask(self, prefixes: ArrayLike, scores: Floats) -> Floats:
        """See :meth:`PrefixMasker.mask`."""
        masked = np.full_like(scores, -np.inf)
        for row, prefix in enumerate(np.asarray(prefixes).tolist()):
            tokens = self.allowed(prefix)
            masked[row, tokens] = scores[row, tokens]
        return masked
