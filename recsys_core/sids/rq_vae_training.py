"""How an RQ-VAE is trained. Imports torch: import this module only where it is used."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recsys_core.sids.kmeans import reseed_dead, train_centroids, worst_described
from recsys_core.sids.rq_vae import Layers, RQVAEConfig
from recsys_core.sids.torch_runs import repeatable, shuffled

_INITIAL_ITERATIONS = 10


def train_rq_vae(
    vectors: NDArray[np.float32], codes: int, config: RQVAEConfig
) -> tuple[Layers, Layers, list[NDArray[np.float32]]]:
    """Learn encoder, decoder and codebooks; on one thread and the same for the same arguments.

    Args:
        vectors: ``float32[n, d]``, scaled to unit mean square.
        codes: codes a level.
        config: shape and training.

    Returns:
        Encoder, decoder, and per level ``float32[codes, latent]``.
    """
    with repeatable(config.seed):
        widths = [vectors.shape[1], *config.hidden, config.latent]
        encoder, decoder = _mlp(widths), _mlp(widths[::-1])
        table = torch.from_numpy(vectors)
        with torch.no_grad():
            books = _first_books(encoder(table).numpy(), codes, config)
        parameters = [*encoder.parameters(), *decoder.parameters(), *books]
        optimiser = torch.optim.Adam(parameters, lr=config.learning_rate)
        idle = torch.zeros(config.levels, codes, dtype=torch.long)
        for _ in range(config.epochs):
            used = torch.zeros(config.levels, codes, dtype=torch.bool)
            for rows in shuffled(len(table), config.batch):
                loss, chosen = _loss(table[rows], encoder, decoder, books, config.commitment)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                for level, column in enumerate(chosen):
                    used[level, column] = True
            idle = torch.where(used, 0, idle + 1)
            if bool((idle >= config.reset_epochs).any()):
                _reset(table, encoder, books, idle, config.reset_epochs)
        return _layers(encoder), _layers(decoder), [book.detach().numpy().copy() for book in books]


def _mlp(widths: list[int]) -> nn.Sequential:
    steps: list[nn.Module] = []
    for inside, outside in pairwise(widths):
        steps += [nn.Linear(inside, outside), nn.ReLU()]
    return nn.Sequential(*steps[:-1])


def _layers(mlp: nn.Sequential) -> Layers:
    linear = [step for step in mlp if isinstance(step, nn.Linear)]
    return [(step.weight.detach().numpy().copy(), step.bias.detach().numpy().copy()) for step in linear]


def _first_books(latent: NDArray[np.float32], codes: int, config: RQVAEConfig) -> list[nn.Parameter]:
    residual = latent.copy()
    books = []
    for level in range(config.levels):
        book = train_centroids(residual, codes, _INITIAL_ITERATIONS, config.seed + level)
        book, column = reseed_dead(residual, book)
        residual -= book[column]
        books.append(nn.Parameter(torch.from_numpy(book.copy())))
    return books


def _nearest(residual: Tensor, book: Tensor) -> Tensor:
    with torch.no_grad():
        return (book.square().sum(dim=1) - 2.0 * residual @ book.T).argmin(dim=1)


def _loss(
    batch: Tensor, encoder: nn.Module, decoder: nn.Module, books: list[nn.Parameter], commitment: float
) -> tuple[Tensor, list[Tensor]]:
    latent: Tensor = encoder(batch)
    residual = latent
    quantised = torch.zeros_like(latent)
    penalty = torch.zeros(())
    chosen = []
    for book in books:
        column = _nearest(residual, book)
        vector = book[column]
        pull = (residual.detach() - vector).square().sum(dim=1)
        hold = (residual - vector.detach()).square().sum(dim=1)
        penalty = penalty + (pull + commitment * hold).mean()
        residual = residual - vector.detach()
        quantised = quantised + vector
        chosen.append(column)
    straight = latent + (quantised - latent).detach()
    return (batch - decoder(straight)).square().sum(dim=1).mean() + penalty, chosen


@torch.no_grad()
def _reset(table: Tensor, encoder: nn.Module, books: list[nn.Parameter], idle: Tensor, limit: int) -> None:
    """Move the codes that nobody used onto the residuals described worst, and start counting again."""
    residual: Tensor = encoder(table)
    for level, book in enumerate(books):
        column = _nearest(residual, book)
        left = residual - book[column]
        dead = torch.nonzero(idle[level] >= limit).flatten()
        worst = worst_described(residual.numpy(), left.square().sum(dim=1).numpy(), len(dead))
        book[dead[: len(worst)]] = residual[torch.from_numpy(worst)]
        idle[level, dead] = 0
        residual = left if not len(worst) else residual - book[_nearest(residual, book)]
