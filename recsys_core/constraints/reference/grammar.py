"""xgrammar over semantic IDs: a grammar whose words are all that exist, one matcher a beam, a bit mask a step.

Needs the package ``xgrammar``, which isn't one of Sidra's dependencies. Compiling takes seconds for thousands of
semantic IDs and grows faster than they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from recsys_core.constraints.continuations import Floats
from recsys_core.constraints.reference.dict_trie import DictTrie

_FIRST = 0x4E00
"""Tokens are written as characters from here on, of which there are more than 20,000 in a row."""


class Grammar:
    """All semantic IDs as one grammar, a rule for every prefix.

    Args:
        sids: ``int[n, L]`` allowed semantic IDs, tokens below 20,000.
        vocabulary: columns of the scores.

    Raises:
        BuildError: not a table of whole numbers, or an empty one.
        ImportError: xgrammar isn't installed.
    """

    complete = sound = True

    def __init__(self, sids: ArrayLike, vocabulary: int) -> None:
        import xgrammar

        DictTrie(sids)  # checks them
        self._xgrammar: Any = xgrammar
        self.vocabulary = vocabulary
        words = [chr(_FIRST + token).encode() for token in range(vocabulary)]
        info = xgrammar.TokenizerInfo(
            [*words, b""], vocab_type=xgrammar.VocabType.RAW, vocab_size=vocabulary + 1, stop_token_ids=[vocabulary]
        )
        self._compiled: Any = xgrammar.GrammarCompiler(info, max_threads=1).compile_grammar(grammar_text(sids))

    def matchers(self, prefixes: ArrayLike) -> list[Any]:
        """One matcher a beam, its prefix read: prefixes are ``int[B, l]``."""
        found = []
        for prefix in np.asarray(prefixes).tolist():
            matcher = self._xgrammar.GrammarMatcher(self._compiled)
            for token in prefix:
                matcher.accept_token(int(token))
            found.append(matcher)
        return found

    def mask_(self, matchers: Sequence[Any], scores: torch.Tensor) -> torch.Tensor:
        """Mask ``float32[B, V]`` in place."""
        bits = self._xgrammar.allocate_token_bitmask(len(matchers), self.vocabulary)
        for row, matcher in enumerate(matchers):
            matcher.fill_next_token_bitmask(bits, row)
        self._xgrammar.apply_token_bitmask_inplace(scores, bits)
        return scores

    def mask(self, prefixes: ArrayLike, scores: Floats) -> Floats:
        """See :meth:`PrefixMasker.mask`."""
        masked: Floats = self.mask_(self.matchers(prefixes), torch.from_numpy(scores.copy())).numpy()
        return masked


def grammar_text(sids: ArrayLike) -> str:
    """The grammar in EBNF: ``root ::= "a" n1 | "b" n2`` and so on."""
    children: dict[tuple[int, ...], dict[int, None]] = {}
    rows = np.unique(np.asarray(sids), axis=0).tolist()
    for row in rows:
        for level, token in enumerate(row):
            children.setdefault(tuple(row[:level]), {})[token] = None
    names = {prefix: f"n{number}" if prefix else "root" for number, prefix in enumerate(children)}
    lines = []
    for prefix, tokens in children.items():
        ways = [f'"{chr(_FIRST + token)}" {names.get((*prefix, token), "")}'.strip() for token in tokens]
        lines.append(f"{names[prefix]} ::= {' | '.join(ways)}")
    return "\n".join(lines)
