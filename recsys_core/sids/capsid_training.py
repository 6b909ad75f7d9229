"""Routing between capsules, and how they are trained. Imports torch: import this module only where it is used.

The equations are in :mod:`recsys_core.sids.capsid`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys_core.sids.capsid import LEVEL_ARRAYS, CapsIDConfig
from recsys_core.sids.kmeans import reseed_dead, train_centroids
from recsys_core.sids.torch_runs import repeatable, shuffled

_SQUASH = 0.5
_BLOCK_ROWS = 2048
_INITIAL_ITERATIONS = 15
_INITIAL_WINNER = 0.6
_DOUBLINGS = 24
_SAMPLE_ROWS = 512
_AHEAD = 1000.0
_MARGINS = (0.2, 0.9)
_CONFIDENCE_WIDTH = 0.05
_RESIDUAL_WIDTH = 0.02

Capsules = dict[str, Tensor]
"""The arrays of one level, see :data:`~recsys_core.sids.capsid.LEVEL_ARRAYS`."""


class Routed(NamedTuple):
    """What one level makes of residuals float32[n, d].

    Attributes:
        weights: float32[n, codes], c of the last round.
        confidence: float32[n], q.
        residual: float32[n, d], what is left.
    """

    weights: Tensor
    confidence: Tensor
    residual: Tensor


def route(residual: Tensor, capsules: Capsules, rounds: int) -> Routed:
    """One level of routing by agreement.

    The votes ``u_k = W r + b_k`` are never written out: only their sums and lengths are needed.

    Args:
        residual: float32[n, d].
        capsules: of this level.
        rounds: of routing.
    """
    bias, beta = capsules["bias"], capsules["sharpness"].exp()
    shared = residual + (residual @ capsules["down"].T) @ capsules["up"].T
    agreement = torch.zeros(len(residual), len(bias))
    for number in range(rounds):
        weights = agreement.softmax(dim=1)
        vote = shared + weights @ bias
        agreed, length = _squashed(vote)
        if number < rounds - 1:
            # the part W r . o is the same for all capsules, so the softmax doesn't see it
            agreement = agreement + beta * (agreed @ bias.T)
    # taking votes away must not teach W to pass the residual by the codes
    shared = shared.detach()
    squares = shared.square().sum(dim=1, keepdim=True) + 2.0 * shared @ bias.T + bias.square().sum(dim=1)
    squares = squares.clamp_min(1e-12)
    taken = weights * squares.sqrt() / (_SQUASH + squares)
    left = residual - taken.sum(dim=1, keepdim=True) * shared - taken @ bias
    return Routed(weights, weights.amax(dim=1) * length, left)


def _squashed(vote: Tensor) -> tuple[Tensor, Tensor]:
    squares = vote.square().sum(dim=1, keepdim=True).clamp_min(1e-12)
    return vote * squares.sqrt() / (_SQUASH + squares), (squares / (_SQUASH + squares)).squeeze(1)


@torch.no_grad()
def route_all(
    vectors: NDArray[np.float32], capsules: list[dict[str, NDArray[np.float32]]], config: CapsIDConfig
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Routing weights of every level, and where each path ends.

    Args:
        vectors: float32[n, d], rows of length 1.
        capsules: per level.
        config: the rules that end a path.

    Returns:
        float32[n, levels, codes] and int64[n], tokens of each path.
    """
    levels = [{name: torch.from_numpy(level[name]) for name in LEVEL_ARRAYS} for level in capsules]
    weights = np.empty((len(vectors), len(levels), len(capsules[0]["bias"])), dtype=np.float32)
    lengths = np.full(len(vectors), len(levels), dtype=np.int64)
    with repeatable(config.seed):
        for low in range(0, len(vectors), _BLOCK_ROWS):
            block = slice(low, low + _BLOCK_ROWS)
            residual = torch.from_numpy(vectors[block])
            for number, level in enumerate(levels):
                routed = route(residual, level, config.rounds)
                residual = routed.residual
                weights[block, number] = routed.weights.numpy()
                ends = (routed.confidence >= config.stop_confidence) | (residual.norm(dim=1) <= config.stop_residual)
                lengths[block] = np.where(ends.numpy(), np.minimum(lengths[block], number + 1), lengths[block])
    return weights, lengths


def train_capsules(
    vectors: NDArray[np.float32], codes: int, config: CapsIDConfig
) -> list[dict[str, NDArray[np.float32]]]:
    """Learn the capsules; on one thread and the same for the same arguments.

    Args:
        vectors: float32[n, d], rows of length 1.
        codes: capsules a level.
        config: shape and training.

    Returns:
        Per level the :data:`~recsys_core.sids.capsid.LEVEL_ARRAYS`.
    """
    with repeatable(config.seed):
        table = torch.from_numpy(vectors)
        levels, books = _first_capsules(table, codes, config)
        learned = [array.requires_grad_() for level in levels for array in level.values()]
        learned += [book.requires_grad_() for book in books]
        optimiser = torch.optim.Adam(learned, lr=config.learning_rate)
        for epoch in range(config.epochs):
            share = epoch / max(1, config.epochs - 1)
            margin = _MARGINS[0] + (_MARGINS[1] - _MARGINS[0]) * share
            for rows in shuffled(len(table), config.batch):
                loss = _loss(table[rows], levels, books, config, margin)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
    return [{name: array.detach().numpy().copy() for name, array in level.items()} for level in levels]


@torch.no_grad()
def _first_capsules(table: Tensor, codes: int, config: CapsIDConfig) -> tuple[list[Capsules], list[Tensor]]:
    """Centroids of each level's residuals as biases, and sharpness such that winners stand out."""
    levels: list[Capsules] = []
    books: list[Tensor] = []
    residual, unexplained = table, table
    ended = torch.zeros(len(table), dtype=torch.bool)
    width = table.shape[1]
    for level in range(config.levels):
        # centroids are for the items that get here; where those are fewer than codes, the longest residuals join
        wanted = max(codes, int((~ended).sum()))
        urgency = torch.where(ended, 0.0, _AHEAD) + residual.norm(dim=1)
        sample = residual[urgency.argsort(descending=True, stable=True)[:wanted].sort().values].contiguous()
        centres = train_centroids(sample.numpy(), codes, _INITIAL_ITERATIONS, config.seed + level)
        centres, _ = reseed_dead(sample.numpy(), centres)
        capsules = {
            "bias": torch.from_numpy(centres.copy()),
            "down": torch.randn(config.rank, width) / width**0.5,
            "up": torch.zeros(width, config.rank),
            "sharpness": torch.zeros(()),
        }
        sample = sample[:: max(1, len(sample) // _SAMPLE_ROWS)]
        for _ in range(_DOUBLINGS):
            if float(route(sample, capsules, config.rounds).weights.amax(dim=1).mean()) >= _INITIAL_WINNER:
                break
            capsules["sharpness"] += float(np.log(2.0))
        routed = route(residual, capsules, config.rounds)
        share = routed.weights / routed.weights.sum(dim=0).clamp_min(1e-6)
        book = share.T @ unexplained
        unexplained = unexplained - routed.weights @ book
        residual = routed.residual.contiguous()
        ended |= (routed.confidence >= config.stop_confidence) | (residual.norm(dim=1) <= config.stop_residual)
        levels.append(capsules)
        books.append(book)
    return levels, books


def _loss(batch: Tensor, levels: list[Capsules], books: list[Tensor], config: CapsIDConfig, margin: float) -> Tensor:
    """Reconstruction + spread + expected length, averaged over the batch."""
    residual = batch
    reached = torch.ones(len(batch))
    rebuilt = torch.zeros_like(batch)
    left = torch.zeros(len(batch))
    spread = torch.zeros(len(batch))
    expected = torch.zeros(len(batch))
    for capsules, book in zip(levels, books, strict=True):
        routed = route(residual, capsules, config.rounds)
        residual = routed.residual
        left = left + reached * residual.square().sum(dim=1)
        rebuilt = rebuilt + reached[:, None] * (routed.weights @ book)
        if routed.weights.shape[1] > 1:
            # the strongest rival alone: a sum over all codes would grow with their number
            best = routed.weights.topk(2, dim=1).values
            spread = spread + reached * (margin - (best[:, 0] - best[:, 1])).clamp_min(0.0).square()
        expected = expected + reached
        confident = ((routed.confidence - config.stop_confidence) / _CONFIDENCE_WIDTH).sigmoid()
        empty = ((config.stop_residual - residual.norm(dim=1)) / _RESIDUAL_WIDTH).sigmoid()
        reached = reached * (1.0 - confident) * (1.0 - empty)
    error = (batch - rebuilt).square().sum(dim=1)
    return (error + left + config.spread_weight * spread + config.length_weight * expected).mean()
