"""Training documents: a prompt (the trunk) with one short branch a target, and how they are packed into rows.

A request at inference is ``begin, words, history mark, item ... item`` and the answer's codes after it. To learn from
*every* position of a history without running each prefix on its own, the codes of position t's target hang on the
trunk as a branch: they see the trunk up to item t and themselves, at the positions they will have at inference. An
item costs one token in the history and one a code level, any target can hang anywhere (also one that isn't the next
item), and what is learned is exactly what a plain causal model computes when asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys_core.generator.lm.layout import TokenLayout

Ints = NDArray[np.int64]

TRUNK = -1
"""Branch number of prompt tokens."""


class Document(NamedTuple):
    """One prompt and its answers; m tokens, n targets, w words to learn.

    Attributes:
        tokens: int64[m], trunk first.
        position: int64[m], place in the sequence that the token would have at inference.
        branch: int64[m], :data:`TRUNK` or the target that the token leads to.
        anchor: int64[m], last trunk position that the token sees.
        states: int64[n, L], for each target and level the token whose state predicts it.
        targets: int64[n] item indices.
        weights: float32[n].
        word_states: int64[w], tokens whose state predicts a word.
        words: int64[w], those words.
    """

    tokens: Ints
    position: Ints
    branch: Ints
    anchor: Ints
    states: Ints
    targets: Ints
    weights: NDArray[np.float32]
    word_states: Ints
    words: Ints


def answer_document(
    layout: TokenLayout,
    sids: Ints,
    instruction: Sequence[int],
    history: Ints,
    targets: Ints,
    weights: NDArray[np.float32] | None = None,
) -> Document:
    """A history with a target after some of its positions.

    Args:
        layout: of the tokens.
        sids: int64[n_items, L].
        instruction: token numbers of its words.
        history: int64[t] item indices.
        targets: int64[t + 1] item indices; -1 = nothing to learn here.
        weights: float32[t + 1]; all 1 when left out.
    """
    # no cut to the window here: batches are cut already, and a cut would shift targets against items
    trunk = [layout.begin, *instruction[: layout.text_limit], layout.history, *(layout.first_item + history).tolist()]
    wanted = np.flatnonzero(targets >= 0)
    given = np.ones(len(targets), np.float32) if weights is None else weights
    return _with_branches(layout, sids, trunk, len(trunk) - 1 - len(history) + wanted, targets[wanted], given[wanted])


def meaning_document(layout: TokenLayout, sids: Ints, words: Sequence[int], items: Ints) -> Document:
    """Words without a history, and several items that are what they mean.

    Args:
        layout: of the tokens.
        sids: int64[n_items, L].
        words: token numbers.
        items: int64[n] item indices.
    """
    trunk = [layout.begin, *words[: layout.text_limit], layout.history]
    anchors = np.full(len(items), len(trunk) - 1, dtype=np.int64)
    return _with_branches(layout, sids, trunk, anchors, items, np.ones(len(items), np.float32))


def _with_branches(
    layout: TokenLayout,
    sids: Ints,
    trunk: Sequence[int],
    anchors: Ints,
    own: Ints,
    weights: NDArray[np.float32],
) -> Document:
    """A trunk with one branch a target: int64[n] trunk positions, int64[n] items, float32[n]."""
    inner = layout.levels - 1
    first_tokens = np.array([layout.first(level) for level in range(inner)], dtype=np.int64)
    depth = np.arange(inner)
    place = np.arange(len(trunk), dtype=np.int64)
    branch_tokens = sids[own, :inner] + first_tokens
    in_order = len(trunk) + np.arange(len(own) * inner).reshape(len(own), inner)
    return Document(
        tokens=np.concatenate([np.array(trunk, dtype=np.int64), branch_tokens.ravel()]),
        position=np.concatenate([place, (anchors[:, None] + 1 + depth).ravel()]),
        branch=np.concatenate([np.full(len(trunk), TRUNK), np.repeat(np.arange(len(own)), inner)]),
        anchor=np.concatenate([place, np.repeat(anchors, inner)]),
        states=np.concatenate([anchors[:, None], in_order], axis=1),
        targets=own,
        weights=weights.astype(np.float32),
        word_states=np.empty(0, np.int64),
        words=np.empty(0, np.int64),
    )


def words_document(layout: TokenLayout, item: int, words: Sequence[int]) -> Document:
    """An item, and what it is called: the answer is in words."""
    answer = [*words[: layout.text_limit], layout.end]
    tokens = np.array([layout.begin, layout.history, layout.first_item + item, layout.words, *answer], dtype=np.int64)
    place = np.arange(len(tokens), dtype=np.int64)
    return Document(
        tokens=tokens,
        position=place,
        branch=np.full(len(tokens), TRUNK),
        anchor=place,
        states=np.empty((0, layout.levels), np.int64),
        targets=np.empty(0, np.int64),
        weights=np.empty(0, np.float32),
        word_states=place[3:-1],
        words=tokens[4:],
    )


class Rows(NamedTuple):
    """Documents side by side; R rows of T tokens, n targets, w words.

    Attributes:
        tokens: int64[R, T], padded.
        position: int64[R, T].
        sees: bool[R, 1, T, T], which tokens (last axis) each token attends to; every token sees itself.
        depth: int64[R, T], 0 on the trunk and in padding, l at the l-th code of a branch.
        states: int64[n, L], into the flattened rows.
        targets: int64[n].
        weights: float32[n].
        word_states: int64[w], into the flattened rows.
        words: int64[w].
        real: tokens that aren't padding.
    """

    tokens: Tensor
    position: Tensor
    sees: Tensor
    depth: Tensor
    states: Tensor
    targets: Tensor
    weights: Tensor
    word_states: Tensor
    words: Tensor
    real: int

    def to(self, device: torch.device) -> Rows:
        """The same on another device."""
        return Rows(
            self.tokens.to(device),
            self.position.to(device),
            self.sees.to(device),
            self.depth.to(device),
            self.states.to(device),
            self.targets.to(device),
            self.weights.to(device),
            self.word_states.to(device),
            self.words.to(device),
            self.real,
        )


def pack(documents: Sequence[Document], pad: int, row_tokens: int) -> Rows:
    """Put documents into rows, longest first, each into the first row with room.

    Args:
        documents: at least one.
        pad: token number of padding.
        row_tokens: length of rows; the longest document's length when that is greater.
    """
    lengths = np.array([len(d.tokens) for d in documents])
    places, n_rows, width = _places(lengths, row_tokens)
    shape = (n_rows, width)
    tokens, position = np.full(shape, pad, np.int64), np.zeros(shape, np.int64)
    branch, anchor, owner = np.full(shape, TRUNK), np.zeros(shape, np.int64), np.full(shape, -1)
    states, word_states = [], []
    for number, document in enumerate(documents):
        row, start = places[number]
        span = slice(start, start + lengths[number])
        tokens[row, span], position[row, span] = document.tokens, document.position
        branch[row, span], anchor[row, span], owner[row, span] = document.branch, document.anchor, number
        states.append(document.states + row * width + start)
        word_states.append(document.word_states + row * width + start)
    return Rows(
        tokens=torch.from_numpy(tokens),
        position=torch.from_numpy(position),
        sees=torch.from_numpy(_sees(owner, position, branch, anchor)[:, None]),
        depth=torch.from_numpy(np.where(branch == TRUNK, 0, position - anchor)),
        states=torch.from_numpy(np.concatenate(states)),
        targets=torch.from_numpy(np.concatenate([d.targets for d in documents])),
        weights=torch.from_numpy(np.concatenate([d.weights for d in documents])),
        word_states=torch.from_numpy(np.concatenate(word_states)),
        words=torch.from_numpy(np.concatenate([d.words for d in documents])),
        real=int(lengths.sum()),
    )


def _places(lengths: Ints, row_tokens: int) -> tuple[list[tuple[int, int]], int, int]:
    """First-fit decreasing: (row, start) of each document, number of rows, length of the fullest."""
    limit = max(row_tokens, int(lengths.max()))
    filled: list[int] = []
    places = [(0, 0)] * len(lengths)
    # rows before this one can't even take the shortest document: without it, thousands of full rows are looked at
    shortest, closed = int(lengths.min()), 0
    for number in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[number])
        while closed < len(filled) and filled[closed] + shortest > limit:
            closed += 1
        row = next((r for r in range(closed, len(filled)) if filled[r] + length <= limit), len(filled))
        if row == len(filled):
            filled.append(0)
        places[number] = (row, filled[row])
        filled[row] += length
    return places, len(filled), max(filled)


def _sees(owner: Ints, position: Ints, branch: Ints, anchor: Ints) -> NDArray[np.bool_]:
    on_trunk = (branch == TRUNK)[:, None, :] & (position[:, None, :] <= anchor[:, :, None])
    own_branch = (branch[:, None, :] == branch[:, :, None]) & (branch != TRUNK)[:, None, :]
    own_branch &= position[:, None, :] <= position[:, :, None]
    seen = (owner[:, None, :] == owner[:, :, None]) & (owner >= 0)[:, None, :] & (on_trunk | own_branch)
    # a softmax over nothing is not a number, so padding sees itself
    diagonal = np.arange(owner.shape[1])
    seen[:, diagonal, diagonal] = True
    return np.asarray(seen, dtype=bool)
