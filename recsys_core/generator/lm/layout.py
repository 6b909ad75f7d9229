"""Where words, codes and items lie among the token numbers of an ``lm`` model.

Needs neither a tokenizer nor torch: a server's plug-in and a client read it too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Ints = NDArray[np.int64]

LAYOUT_FILE = "sidra_lm.json"
"""What a client must know to write prompts, beside the standard files."""


class TokenLayout(BaseModel):
    """Where each kind of token lies and how long a prompt may be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text_tokens: int
    """Words and marks are 0 to ``text_tokens - 1``."""
    code_sizes: tuple[int, ...]
    """Vocabulary of each level that has codes, in the order of their tokens."""
    n_items: int
    """Items have the last tokens, in the order of the catalogue."""
    hybrid: bool
    """Whether the last level of a semantic ID is the item's own token (then ``code_sizes`` leaves it out)."""
    begin: int
    """Token number of the mark that starts a prompt."""
    pad: int
    """Token number of padding."""
    history: int
    """Token number of the mark before the history."""
    words: int
    """Token number of the mark before an answer in words."""
    end: int
    """Token number of the mark after an answer in words."""
    text_limit: int
    """Longest instruction in tokens."""
    window: int
    """Newest history items that are read."""
    item_head_factor: float = 1.0
    """What item logits at the end of a prompt are multiplied with for a softmax over the whole catalogue."""
    lazy_layers: int = 0
    """Lower layers that see no codes (:mod:`recsys_core.generator.lm.lazy`); above 0 no stock engine can run it."""

    @property
    def levels(self) -> int:
        """Length of a semantic ID."""
        return len(self.code_sizes) + int(self.hybrid)

    @property
    def first_item(self) -> int:
        """Token of item 0."""
        return self.text_tokens + sum(self.code_sizes)

    @property
    def size(self) -> int:
        """Number of tokens."""
        return self.first_item + self.n_items

    def first(self, level: int) -> int:
        """Token of code 0 at a level, or of item 0 at the hybrid layout's last level."""
        return self.text_tokens + sum(self.code_sizes[:level])

    def prompt(self, instruction: Sequence[int], history: Ints) -> list[int]:
        """Token numbers of a request; the answer's first code follows straight after the newest item.

        Args:
            instruction: token numbers of its words.
            history: item indices, newest last.

        Raises:
            IndexError: there is no such item.
        """
        if len(history) and not 0 <= history.min() <= history.max() < self.n_items:
            raise IndexError(
                f"items are 0 to {self.n_items - 1}, the history runs from {history.min()} to {history.max()}"
            )
        items = (self.first_item + history[-self.window :]).tolist()
        return [self.begin, *instruction[: self.text_limit], self.history, *items]
