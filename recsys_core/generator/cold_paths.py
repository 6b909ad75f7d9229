"""Which code paths a new item gets: candidates by content, then a choice by the frozen generator.

After the first two stages of DREAM (arXiv 2606.06947), simplified: its candidates come from a trained translator with
hard negatives written by a language model, ours from the quantizer's own codebooks; its contexts are those of the few
interactions that a cold item has, ours those of warm items of similar content, so an item needs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from recsys_core.errors import ConfigError
from recsys_core.generator.data import Ints
from recsys_core.generator.model import CompactModel
from recsys_core.generator.train import last_states

Codes = NDArray[np.int32]
"""``int32[..., C]``: code paths without the last, distinguishing token."""

_CHUNK = 256
"""Contexts scored together."""


class PathSource(Protocol):
    """A quantizer that can name the best few code paths of a vector."""

    def candidates(self, vectors: NDArray[np.float32], count: int) -> tuple[Codes, NDArray[np.float32]]:
        """``float32[n, d]`` to paths ``int32[n, count, C]``, best first, and scores ``float32[n, count]``."""
        ...


class PathConfig(BaseModel):
    """Candidates, and what a choice among them needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    registered: PositiveInt = 2
    """How many paths a new item gets; 1 is the static semantic ID. While new items are held to a share of probability,
    further paths find them no oftener and cost others more (validation targets of a public set)."""
    candidates: PositiveInt = 8
    """How many paths are compared."""
    contexts: PositiveInt = 32
    """At most so many contexts are asked for an item."""
    minimum_contexts: PositiveInt = 3
    """Fewer contexts than this decide nothing."""
    margin: float = Field(default=0.05, ge=0, le=1)
    """By how much the best vote must lead the second, or content decides."""
    temperature: PositiveFloat = 1.0
    """Of the softmax over the candidates' log-likelihoods."""
    seed: int = 0
    """Of the choice among more contexts than are asked."""


class Selection(NamedTuple):
    """Paths of new items, and how they came about.

    Attributes:
        paths: per new item int32[p, C], main one first.
        supported: items with enough contexts.
        committed: items where the vote was clear and so decided the order.
        switched: items whose main path is another than the one nearest by content.
    """

    paths: list[Codes]
    supported: int
    committed: int
    switched: int


def content_paths(
    source: PathSource, vectors: NDArray[np.float32], count: int, code_sizes: Sequence[int], levels: int
) -> list[Codes]:
    """Candidate paths of each vector, best by content first.

    Args:
        source: the quantizer.
        vectors: float32[m, d].
        count: paths a vector; there may be fewer, where the codebooks have fewer or the model never learned a code.
        code_sizes: codes that the model knows at each level.
        levels: C.

    Raises:
        ConfigError: a quantizer that can't encode further items.
    """
    if not len(vectors):
        return []
    sizes = np.array(code_sizes[:levels])
    count = min(count, int(np.prod(sizes)))
    while True:
        try:
            paths, _ = source.candidates(vectors, count)
            break
        except ConfigError:
            # paths that may end early are fewer than the product of the code numbers
            if count == 1:
                raise
            count //= 2
    learned: NDArray[np.bool_] = np.all(paths < sizes, axis=2)
    learned[:, 0] = True  # the item's own path stays, come what may
    return [np.asarray(own[there], dtype=np.int32) for own, there in zip(paths, learned, strict=True)]


@torch.inference_mode()
def select_paths(
    model: CompactModel, pool: list[Codes], neighbours: Ints, offsets: Ints, items: Ints, config: PathConfig
) -> Selection:
    """Order each item's candidates by the votes of contexts in which an item like it came next.

    In a context with state h, path k gets ``p_k = softmax(-NLL_k / temperature)``; the context weighs
    ``omega = 1 - H(p) / log K``, and the vote is ``v_k = sum omega p_k / (sum omega + eps)``. Among several paths the
    one nearest by content stays, whatever the votes.

    Args:
        model: trained, in evaluation mode.
        pool: per item int32[K, C], best by content first.
        neighbours: int64[m, k], warm items of similar content, nearest first.
        offsets: int64[n_users + 1] of the training histories.
        items: int64[n], training items, oldest first within a user.
        config: limits.
    """
    asked = _contexts(neighbours, offsets, items, config)
    states = _states(model, asked, offsets, items)
    paths, supported, committed, switched = [], 0, 0, 0
    for candidates, positions in zip(pool, asked, strict=True):
        order = np.arange(len(candidates))
        learned = bool((candidates[0] < np.array(model.code_sizes[: candidates.shape[1]])).all())
        if len(positions) >= config.minimum_contexts and len(candidates) > 1 and learned:
            supported += 1
            nll = path_nll(model, torch.stack([states[p] for p in positions.tolist()]), candidates)
            vote = votes(nll, config.temperature)
            ranked = np.argsort(-vote, kind="stable")
            if vote[ranked[0]] - vote[ranked[1]] >= config.margin:
                committed += 1
                order = ranked
                switched += int(order[0] != 0)
        kept = order[: config.registered]
        if config.registered > 1 and 0 not in kept:
            # where content says it belongs its neighbours are most like it: without that path recall fell by a third
            kept = np.append(kept[:-1], 0)
        paths.append(candidates[kept])
    return Selection(paths, supported, committed, switched)


def votes(nll: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Votes of contexts, the surer ones counting more: float64[contexts, K] to float64[K]."""
    scaled = -nll / temperature
    p = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
    omega = np.maximum(0.0, 1.0 - entropy / np.log(nll.shape[1]))
    vote: NDArray[np.float64] = (omega[:, None] * p).sum(axis=0) / (omega.sum() + 1e-9)
    return vote


def path_nll(model: CompactModel, states: torch.Tensor, paths: Codes) -> NDArray[np.float64]:
    """Negative log-likelihood of code paths after each state, softmax over all codes of a level.

    Over all codes, not over the children that exist: a new item's path need not exist yet.

    Args:
        model: in evaluation mode.
        states: float32[N, d].
        paths: int32[K, C].

    Returns:
        float64[N, K].
    """
    codes = torch.from_numpy(paths.astype(np.int64))
    total = states.new_zeros(len(states), len(codes))
    silent = states.new_zeros(len(states), len(codes), model.config.wish_width)
    at = states[:, None, :].expand(-1, len(codes), -1)
    for level in range(codes.shape[1]):
        prefix = model.prefix_vectors(codes, level).expand(len(states), -1, -1) if level else None
        logits = model.query(level, at, silent, prefix) @ model.keys(level).T
        chosen = codes[None, :, level, None].expand(len(states), -1, 1)
        total = total - logits.log_softmax(dim=-1).gather(2, chosen)[:, :, 0]
    return np.asarray(total.numpy(), dtype=np.float64)


def _contexts(neighbours: Ints, offsets: Ints, items: Ints, config: PathConfig) -> list[Ints]:
    """Per new item, positions in the histories that hold one of its neighbours after at least one other item."""
    rng = np.random.default_rng(config.seed)
    first = np.zeros(len(items), dtype=bool)
    first[offsets[:-1][np.diff(offsets) > 0]] = True
    later = np.flatnonzero(~first)
    later = later[np.argsort(items[later], kind="stable")]
    sorted_items = items[later]
    # several neighbours should have their say, so none may take all the places
    share = max(1, -(-config.contexts // 4))
    found = []
    for row in neighbours:
        chosen: list[Ints] = []
        room = config.contexts
        for item in row.tolist():
            low, high = np.searchsorted(sorted_items, [item, item + 1])
            places = later[low:high]
            if len(places) > min(share, room):
                places = np.sort(rng.choice(places, size=min(share, room), replace=False))
            chosen.append(places)
            room -= len(places)
        found.append(np.concatenate([*chosen, np.empty(0, dtype=np.int64)]))
    return found


def _states(model: CompactModel, asked: list[Ints], offsets: Ints, items: Ints) -> dict[int, torch.Tensor]:
    """State before each position that somebody asks for: position to float32[d]."""
    positions = np.unique(np.concatenate([*asked, np.empty(0, dtype=np.int64)]))
    starts = offsets[np.searchsorted(offsets, positions, side="right") - 1]
    states: dict[int, torch.Tensor] = {}
    vectors = model.item_vectors()
    # histories of like length together: padding costs as much as items
    by_length = np.argsort(positions - starts, kind="stable")
    for low in range(0, len(positions), _CHUNK):
        chunk = by_length[low : low + _CHUNK]
        histories = [items[starts[n] : positions[n]] for n in chunk]
        silence = model.instruct(
            torch.zeros(len(chunk), model.text.shape[1]), torch.zeros(len(chunk), dtype=torch.bool)
        )
        found = last_states(model, histories, silence, vectors)
        states |= dict(zip(positions[chunk].tolist(), found, strict=True))
    return states
