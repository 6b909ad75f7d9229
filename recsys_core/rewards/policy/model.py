"""The policy: a small causal transformer that reads a history's facts and points at them.

Facts are a set: each sees all others, and no place in an order counts. Steps of the profile see the facts and the steps
before. The next step's logits are those of the end and the phrases (a table), and of each slot the product of the state
with the slot's own state (a pointer, Vinyals et al. 2015): so a fact never met in training can be named, and one that
isn't there can't.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_core.rewards.policy.config import PolicyConfig
from recsys_core.rewards.policy.slots import FIGURES


class Facts(NamedTuple):
    """Slots of a batch as tensors.

    Attributes:
        groups: int64[B, S], -1 for padding.
        words: int64[B, S].
        figures: float32[B, S, FIGURES].
    """

    groups: Tensor
    words: Tensor
    figures: Tensor


class Seen(NamedTuple):
    """What a block attends to.

    Attributes:
        keys: float32[B, heads, C, d / heads].
        values: likewise.
    """

    keys: Tensor
    values: Tensor


class Read(NamedTuple):
    """What the policy keeps of a batch's facts.

    Attributes:
        inputs: float32[B, S, d], what stands for each slot when a step names it.
        seen: keys and values of the slots in each block, for steps to attend to.
        keys: float32[B, S, d], what the pointer compares with.
        real: bool[B, S].
    """

    inputs: Tensor
    seen: list[Seen]
    keys: Tensor
    real: Tensor


class ProfilePolicy(nn.Module):
    """Log-probabilities of the next step.

    Args:
        config: shape.
        groups: how many groups of slots there are.
        words: how many names have a vector of their own.
        phrases: how many phrases there are.
    """

    def __init__(self, config: PolicyConfig, groups: int, words: int, phrases: int) -> None:
        super().__init__()
        width = config.width
        self.config, self.phrases = config, phrases
        self.group = nn.Embedding(groups + 1, width)  # the last is for groups without a phrase
        self.word = nn.Embedding(words + 1, width)
        self.figures = nn.Sequential(nn.Linear(FIGURES, width), nn.GELU(), nn.Linear(width, width))
        self.fixed = nn.Embedding(2 + phrases, width)  # end, phrases, beginning
        self.place = nn.Embedding(config.longest + 1, width)
        self.blocks = nn.ModuleList(_Block(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, 1 + phrases)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.1)

    def read(self, facts: Facts) -> Read:
        """Take in the facts, once for all steps."""
        inputs = self.group(facts.groups % self.group.num_embeddings)
        inputs = inputs + self.word(facts.words) + self.figures(facts.figures)
        real = facts.groups >= 0
        hidden, seen = inputs, []
        # a history without facts attends to padding, which it shares with nobody
        sees = (real | ~real.any(1, keepdim=True))[:, None, None, :]
        for block in self._each():
            seen.append(block.seen(hidden))
            hidden = block(hidden, [seen[-1]], sees)
        return Read(inputs, seen, self.key(self.norm(hidden)), real)

    def steps(self, read: Read, actions: Tensor) -> Tensor:
        """Logits of what comes after the beginning and after each action.

        Args:
            read: of the same rows.
            actions: int64[B, T], T may be 0.

        Returns:
            float32[B, T + 1, 1 + P + S], nothing masked.
        """
        rows, count = actions.shape
        begin = self.fixed.weight[-1].expand(rows, 1, -1)
        hidden = torch.cat([begin, self._inputs(read, actions)], 1) + self.place.weight[: count + 1]
        causal = torch.ones(count + 1, count + 1, dtype=torch.bool, device=actions.device).tril()
        sees = torch.cat([_to_slots(read, count + 1), causal.expand(rows, 1, -1, -1)], dim=3)
        for block, slots in zip(self._each(), read.seen, strict=True):
            hidden = block(hidden, [slots, block.seen(hidden)], sees)
        return self._logits(read, hidden)

    def following(self, read: Read, last: Tensor | None, before: list[Seen]) -> tuple[Tensor, list[Seen]]:
        """Logits of the next step alone, from what the steps before left behind: what :meth:`steps` gives last.

        Args:
            read: of the same rows.
            last: int64[B], the newest action; None at the beginning.
            before: what the call before returned; empty at the beginning.

        Returns:
            float32[B, 1 + P + S], and what the next call needs.
        """
        count = before[0].keys.shape[2] if before else 0
        if last is None:
            inputs = self.fixed.weight[-1].expand(len(read.real), 1, -1)
        else:
            inputs = self._inputs(read, last[:, None])
        hidden = inputs + self.place.weight[count]
        sees = torch.cat([_to_slots(read, 1), torch.ones(len(read.real), 1, 1, count + 1, dtype=torch.bool)], dim=3)
        after = []
        for n, (block, slots) in enumerate(zip(self._each(), read.seen, strict=True)):
            own = block.seen(hidden)
            after.append(Seen(*(torch.cat(pair, 2) for pair in zip(before[n], own, strict=True))) if before else own)
            hidden = block(hidden, [slots, after[-1]], sees)
        return self._logits(read, hidden)[:, -1], after

    def _each(self) -> list[_Block]:
        return [block for block in self.blocks if isinstance(block, _Block)]

    def _inputs(self, read: Read, actions: Tensor) -> Tensor:
        slot = (actions - 1 - self.phrases).clamp(min=0)
        named = read.inputs.gather(1, slot[..., None].expand(-1, -1, read.inputs.shape[2]))
        return torch.where((actions > self.phrases)[..., None], named, self.fixed(actions.clamp(max=self.phrases)))

    def _logits(self, read: Read, hidden: Tensor) -> Tensor:
        state = self.norm(hidden)
        pointed = self.query(state) @ read.keys.transpose(1, 2) / math.sqrt(self.config.width)
        return torch.cat([self.output(state), pointed], dim=2)


def _to_slots(read: Read, count: int) -> Tensor:
    return read.real[:, None, None, :].expand(-1, 1, count, -1)


class _Block(nn.Module):
    """Attention and a feed-forward layer, each on normalised inputs and added to them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.kv, self.out = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def seen(self, context: Tensor) -> Seen:
        """[B, C, d] as keys and values."""
        keys, values = self.kv(self.before(context)).chunk(2, dim=-1)
        return Seen(self._split(keys), self._split(values))

    def forward(self, hidden: Tensor, context: list[Seen], sees: Tensor) -> Tensor:
        """States [B, T, d], contexts of C places together, sees bool[B, 1, T or 1, C] -> [B, T, d]."""
        q = self._split(self.q(self.before(hidden)))
        keys, values = (torch.cat(parts, 2) for parts in zip(*context, strict=True))
        added = functional.scaled_dot_product_attention(q, keys, values, attn_mask=sees)
        hidden = hidden + self.out(added.transpose(1, 2).flatten(2))
        more = self.narrow(functional.gelu(self.wide(self.between(hidden))))
        return torch.add(hidden, more)

    def _split(self, x: Tensor) -> Tensor:
        rows, count, width = x.shape
        return x.reshape(rows, count, self.heads, width // self.heads).transpose(1, 2)
