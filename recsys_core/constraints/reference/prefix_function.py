"""transformers' own way: a Python function from prefix to allowed tokens, called for every beam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from recsys_core.constraints.continuations import Floats
from recsys_core.constraints.reference.dict_trie import DictTrie


def prefix_allowed_tokens_fn(trie: DictTrie, prompt: int) -> Callable[[int, Tensor], list[int]]:
    """The function that ``generate(prefix_allowed_tokens_fn=...)`` takes.

    Args:
        trie: of the allowed semantic IDs.
        prompt: how many tokens stand before the semantic ID.
    """

    def allowed(batch: int, sequence: Tensor) -> list[int]:
        return trie.allowed(sequence[prompt:].tolist())

    return allowed


class PrefixFunction:
    """``PrefixConstrainedLogitsProcessor`` over a dict trie. Every prefix must be allowed: transformers refuses others.

    Args:
        sids: ``int[n, L]`` allowed semantic IDs.

    Raises:
        BuildError: not a table of whole numbers, or an empty one.
    """

    complete = sound = True

    def __init__(self, sids: ArrayLike) -> None:
        from transformers import PrefixConstrainedLogitsProcessor

        self.trie = DictTrie(sids)
        self.processor: Any = PrefixConstrainedLogitsProcessor(prefix_allowed_tokens_fn(self.trie, 1), num_beams=1)

    def mask(self, prefixes: ArrayLike, scores: Floats) -> Floats:
        """See :meth:`PrefixMasker.mask`."""
        prefix = torch.from_numpy(np.asarray(prefixes).astype(np.int64))
        masked: Floats = self.mask_tensors(prefix, torch.from_numpy(scores)).numpy()
        return masked

    def mask_tensors(self, prefixes: Tensor, scores: Tensor) -> Tensor:
        """The same for ``int64[B, l]`` and ``float32[B, V]`` on any device."""
        masked: Tensor = self.processor(torch.nn.functional.pad(prefixes, (1, 0)), scores)
        return masked
