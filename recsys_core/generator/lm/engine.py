"""A stock causal LM read as a distribution over items: prompts once, then codes on top of the kept keys and values.

All prefixes of a request share its keys and values: they run side by side in one forward call, each of them seeing the
prompt and its own codes only, so nothing is copied a beam.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.cache_utils import DynamicCache

from recsys_core.generator.lm.base import StockModel
from recsys_core.generator.lm.vocabulary import TokenLayout
from recsys_core.generator.trie import TrieTensors

Ints = NDArray[np.int64]


class Prompts(NamedTuple):
    """Requests that the model has read.

    Attributes:
        states: float32[B, d], after the last token of each.
        real: bool[B, P], which of the kept tokens aren't padding.
        kept: keys and values of each layer, [B, heads, P, d_head].
    """

    states: Tensor
    real: Tensor
    kept: tuple[tuple[Tensor, Tensor], ...]

    def take(self, rows: Ints) -> Prompts:
        """Some of the requests, in the given order: int64[b]."""
        chosen = torch.from_numpy(np.asarray(rows, dtype=np.int64)).to(self.states.device)
        kept = tuple((keys[chosen], values[chosen]) for keys, values in self.kept)
        return Prompts(self.states[chosen], self.real[chosen], kept)


class LmEngine:
    """A stock causal LM and its token layout.

    Args:
        causal: with a ``lm_head`` without bias; its weights must not change afterwards.
        layout: of its tokens.
    """

    def __init__(self, causal: StockModel, layout: TokenLayout) -> None:
        self.causal = causal.eval()
        self.layout = layout
        self.device = causal.device
        head = causal.get_output_embeddings().weight.detach()
        self.rows = [
            head[layout.first(level) : layout.first(level) + size] for level, size in enumerate(layout.code_sizes)
        ]
        self.item_rows = head[layout.first_item :]
        if layout.hybrid:
            self.rows.append(self.item_rows)

    @torch.inference_mode()
    def read(self, instructions: Sequence[Sequence[int]], histories: Sequence[Ints]) -> Prompts:
        """Run prompts.

        Args:
            instructions: token numbers of each instruction's words.
            histories: item indices per request, newest last.
        """
        rows = [self.layout.prompt(i, h) for i, h in zip(instructions, histories, strict=True)]
        if not rows:
            # stock blocks can't reshape an empty batch
            return Prompts(self.item_rows.new_empty(0, self.item_rows.shape[1]), torch.ones(0, 0).bool(), ())
        longest = max((len(r) for r in rows), default=1)
        tokens = np.full((len(rows), longest), self.layout.pad, dtype=np.int64)
        for number, row in enumerate(rows):
            tokens[number, : len(row)] = row
        lengths = torch.tensor([len(r) for r in rows], device=self.device)
        place = torch.arange(longest, device=self.device)
        real = place < lengths[:, None]
        # padding lies after the last token and comes before nothing, so a plain causal mask is right
        output = self.causal.base_model(
            input_ids=torch.from_numpy(tokens).to(self.device),
            position_ids=place.expand(len(rows), -1),
            attention_mask=_causal(longest, len(rows), self.device),
            use_cache=True,
        )
        cache = output.past_key_values
        kept = tuple((layer.keys, layer.values) for layer in cache.layers)
        states = output.last_hidden_state[torch.arange(len(rows), device=self.device), lengths - 1]
        return Prompts(states.float(), real, kept)

    @torch.inference_mode()
    def prefix_states(self, prompts: Prompts, prefixes: Tensor) -> Tensor:
        """States after prompt and prefix.

        Args:
            prompts: B requests.
            prefixes: int64[B, W, l] codes of the first l levels, l at least 1.

        Returns:
            float32[B, W, d].
        """
        batch, width, depth = prefixes.shape
        prefixes = prefixes.to(self.device)
        offsets = torch.tensor([self.layout.first(level) for level in range(depth)], device=self.device)
        lengths = prompts.real.sum(1)
        place = torch.arange(depth, device=self.device).repeat(width)
        output = self.causal.base_model(
            input_ids=(prefixes + offsets).reshape(batch, width * depth),
            position_ids=lengths[:, None] + place,
            attention_mask=torch.cat(
                [
                    prompts.real[:, None, None, :].expand(-1, 1, width * depth, -1),
                    _branches(width, depth, self.device).expand(batch, 1, -1, -1),
                ],
                dim=-1,
            ),
            past_key_values=DynamicCache(prompts.kept),
            use_cache=True,
        )
        states = output.last_hidden_state.reshape(batch, width, depth, -1)[:, :, -1]
        return torch.as_tensor(states).float()

    @torch.inference_mode()
    def all_log_probabilities(self, prompts: Prompts, trie: TrieTensors, *, chunk: int = 32) -> Tensor:
        """Exact log-probability of every item: float32[B, n_items]; ``exp`` of each row sums to 1.

        Args:
            prompts: B requests.
            trie: of the same semantic IDs.
            chunk: requests at a time, to bound memory.
        """
        starts = range(0, len(prompts.states), chunk)
        every = np.arange(len(prompts.states))
        trie = TrieTensors(
            parent=tuple(t.to(self.device) for t in trie.parent),
            token=tuple(t.to(self.device) for t in trie.token),
            prefix=tuple(t.to(self.device) for t in trie.prefix),
            node=trie.node.to(self.device),
            leaf_item=trie.leaf_item.to(self.device),
        )
        parts = [self._chunk(prompts.take(every[s : s + chunk]), trie) for s in starts]
        return torch.cat(parts) if parts else torch.empty(0, len(trie.node))

    def _chunk(self, prompts: Prompts, trie: TrieTensors) -> Tensor:
        total = prompts.states.new_zeros(len(prompts.states), 1)
        for level, (parent, token, prefix) in enumerate(zip(trie.parent, trie.token, trie.prefix, strict=True)):
            if level == 0:
                logits = prompts.states @ self.rows[0][token].T
            else:
                at_nodes = self.prefix_states(prompts, prefix[None].expand(len(total), -1, -1))
                logits = torch.einsum("bcd,cd->bc", at_nodes[:, parent], self.rows[level][token])
            highest = logits.new_full((len(total), len(prefix)), -torch.inf)
            highest = highest.scatter_reduce(1, parent.expand_as(logits), logits, "amax")
            mass = torch.zeros_like(highest)
            mass = mass.scatter_add_(1, parent.expand_as(logits), (logits - highest[:, parent]).exp())
            total = (total - highest - mass.log())[:, parent] + logits
        items = len(trie.node)
        if items == len(trie.leaf_item):
            by_item = torch.empty_like(total)
            by_item[:, trie.leaf_item] = total
            return by_item
        # several semantic IDs of one item: their probabilities add up
        owner = trie.leaf_item.expand_as(total)
        best = total.new_full((len(total), items), -torch.inf).scatter_reduce(1, owner, total, "amax")
        mass = torch.zeros_like(best).scatter_add_(1, owner, (total - best[:, trie.leaf_item]).exp())
        return best + mass.log()


def _causal(length: int, batch: int, device: torch.device) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool, device=device).tril().expand(batch, 1, -1, -1)


def _branches(width: int, depth: int, device: torch.device) -> Tensor:
    """Which of ``width`` times ``depth`` tokens see which: each those of its own prefix up to itself."""
    number = torch.arange(width * depth, device=device)
    same = (number[:, None] // depth) == (number[None, :] // depth)
    return same & (number[None, :] <= number[:, None])
