"""Which items words mean, whoever asks: a small two-tower classifier beside the generator.

The generator learns words only where histories happen to show them; what *is* a documentary stands in the catalogue.
Trained on every condition of the instruction bank against every item, after the generator, so that a rare value is
told apart as surely as a common one. Its answer guides the served ranking.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Ints = NDArray[np.int64]


class Bank(Protocol):
    """Where wordings and what they mean come from."""

    near_items: Ints
    """int64[n_items, m], each item's nearest by text."""

    def grounding(self, count: int, rng: np.random.Generator) -> tuple[Ints, NDArray[np.bool_]]:
        """Rows of wordings and what they mean: int64[g] and bool[g, n_items]."""
        ...


class MeaningTower(nn.Module):
    """Log-odds that an item is what a sentence means.

    Args:
        n_items: size of the catalogue.
        d_text: size of sentence and text vectors.
        width: size of the space in which both are compared.
    """

    def __init__(self, n_items: int, d_text: int, width: int = 64) -> None:
        super().__init__()
        self.sentence_in = nn.Sequential(nn.Linear(d_text, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.items = nn.Embedding(n_items, width)
        self.text_in = nn.Linear(d_text, width, bias=False)
        nn.init.normal_(self.items.weight, std=0.02)
        self.log_scale = nn.Parameter(torch.tensor(14.0).log())
        # the plain cosine of sentence and text: what is left for words that no condition has
        self.likeness = nn.Parameter(torch.tensor(1.0))
        self.threshold = nn.Parameter(torch.tensor(4.0))

    def item_keys(self, text: Tensor) -> Tensor:
        """Unit vectors of the items: float32[n_items, d_text] to float32[n_items, w]."""
        return functional.normalize(self.items.weight + self.text_in(text), dim=-1)

    def forward(self, sentence: Tensor, text: Tensor, keys: Tensor | None = None) -> Tensor:
        """Log-odds: float32[B, d_text] and float32[n_items, d_text] to float32[B, n_items]."""
        keys = self.item_keys(text) if keys is None else keys
        asked = functional.normalize(self.sentence_in(sentence), dim=-1)
        logits: Tensor = (asked @ keys.T) * self.log_scale.clamp(max=4.6).exp()
        return logits + self.likeness * 10 * (sentence @ text.T) - self.threshold


def train_meaning(
    tower: MeaningTower,
    text: Tensor,
    bank: Bank,
    wordings: Tensor,
    item_texts: Tensor,
    *,
    steps: int,
    batch: int,
    noise: float,
    seed: int,
    report: Callable[[int, int, float], None] | None = None,
) -> float:
    """Train in place: balanced binary cross-entropy over all items.

    Binary, not a softmax: every item that is meant should fit equally well, so that fitting says nothing about taste.
    Balanced: a value of ten items weighs as much as one of a thousand.

    Args:
        tower: freshly made.
        text: float32[n_items, d_text], centred text vectors of the items.
        bank: conditions.
        wordings: float32[n_wordings, d_text], their sentence vectors.
        item_texts: float32[n_items, d_text], text vectors in the space of the sentences; a quarter of the batch asks
            with an item's own text for the items nearest to it.
        steps: gradient steps.
        batch: wordings a step.
        noise: standard deviation of noise on sentence vectors.
        seed: of everything random.
        report: called with (step, steps, loss).

    Returns:
        Mean loss of the last tenth of the steps; 0 when the catalogue has no conditions.
    """
    rng = np.random.default_rng([seed, 7])
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(tower.parameters(), lr=5e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    losses: list[float] = []
    n_items = len(text)
    for step in range(steps):
        rows, means = bank.grounding(batch, rng)
        if not len(rows):
            return 0.0
        asked = rng.integers(n_items, size=batch // 4)
        near = np.zeros((len(asked), n_items), dtype=bool)
        np.put_along_axis(near, bank.near_items[asked], values=True, axis=1)
        sentence = torch.cat([wordings[torch.from_numpy(rows)], item_texts[torch.from_numpy(asked)]])
        sentence = sentence + noise * torch.randn(sentence.shape, generator=generator)
        loss = balanced(tower(sentence, text), torch.from_numpy(np.concatenate([means, near])))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if report and (step + 1) % 50 == 0:
            report(step + 1, steps, float(np.mean(losses[-50:])))
    return float(np.mean(losses[-max(1, steps // 10) :]))


def balanced(logits: Tensor, means: Tensor) -> Tensor:
    """Binary cross-entropy in which what is meant and what isn't weigh the same in every row.

    Args:
        logits: float32[G, n_items].
        means: bool[G, n_items].
    """
    meant = means.float()
    others = 1 - meant
    positive = (functional.softplus(-logits) * meant).sum(1) / meant.sum(1).clamp(min=1)
    negative = (functional.softplus(logits) * others).sum(1) / others.sum(1).clamp(min=1)
    return (positive + negative).mean()
