"""A stock causal LM read as a distribution over items: prompts once, then codes on top of the kept keys and values.

All prefixes of a request share its keys and values: they run side by side in one forward call, each of them seeing the
prompt and its own codes only, so nothing is copied a beam. Keys and values of codes are kept as well: a level runs one
token a prefix, however deep it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers.cache_utils import DynamicCache

from recsys_core.generator.lm.base import StockModel
from recsys_core.generator.lm.layout import TokenLayout
from recsys_core.generator.lm.lazy import LayerCache, LazyDecoder, run_layers
from recsys_core.generator.trie import TrieTensors

Ints = NDArray[np.int64]


Kept = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values, a pair a layer."""


class Prompts(NamedTuple):
    """Requests that the model has read.

    Attributes:
        states: float32[B, d], after the last token of each.
        real: bool[B, P], which of the kept tokens aren't padding.
        kept: keys and values of each layer that reads codes, [B, heads, P, d_head].
        shared: float32[B, L - 1, d], states of a lazy decoder's lower layers at each level; [B, 0, 0] of any other.
    """

    states: Tensor
    real: Tensor
    kept: Kept
    shared: Tensor

    def take(self, rows: Ints) -> Prompts:
        """Some of the requests, in the given order: int64[b]."""
        chosen = torch.from_numpy(np.asarray(rows, dtype=np.int64)).to(self.states.device)
        kept = tuple((keys[chosen], values[chosen]) for keys, values in self.kept)
        return Prompts(self.states[chosen], self.real[chosen], kept, self.shared[chosen])


class Tree(NamedTuple):
    """Codes that ran after the prompts, ``N`` a request: each saw the prompt and its own forebears.

    Attributes:
        forebears: int64[B, N, L - 1], numbers of the tokens that each token sees, from the first level down to itself;
            filled up with itself.
        kept: keys and values of prompt and codes, [B, heads, P + N, d_head] a layer; those of the prompt at first.
    """

    forebears: Tensor
    kept: Kept

    @property
    def tokens(self) -> int:
        """N, how many codes ran for each request."""
        return self.forebears.shape[1]

    def take(self, rows: Ints) -> Tree:
        """That of some of the requests: int64[b]."""
        chosen = torch.from_numpy(np.asarray(rows, dtype=np.int64)).to(self.forebears.device)
        return Tree(self.forebears[chosen], tuple((keys[chosen], values[chosen]) for keys, values in self.kept))


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
        self.lazy: LazyDecoder | None = getattr(causal, "lazy_decoder", None)
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
            none = self.item_rows.new_empty(0, self.item_rows.shape[1])
            return Prompts(none, torch.ones(0, 0).bool(), (), none.new_empty(0, 0, 0))
        longest = max((len(r) for r in rows), default=1)
        tokens = np.full((len(rows), longest), self.layout.pad, dtype=np.int64)
        for number, row in enumerate(rows):
            tokens[number, : len(row)] = row
        lengths = torch.tensor([len(r) for r in rows], device=self.device)
        place = torch.arange(longest, device=self.device)
        real = place < lengths[:, None]
        # padding lies after the last token and comes before nothing, so a plain causal mask is right
        sees = _causal(longest, len(rows), self.device)
        position = place.expand(len(rows), -1)
        ends = torch.arange(len(rows), device=self.device), lengths - 1
        inputs = torch.from_numpy(tokens).to(self.device)
        if self.lazy is not None:
            return self._read_lazily(self.lazy, inputs, position, sees, real, ends)
        output = self.causal.base_model(input_ids=inputs, position_ids=position, attention_mask=sees, use_cache=True)
        kept = tuple((layer.keys, layer.values) for layer in output.past_key_values.layers)
        states = output.last_hidden_state[ends].float()
        return Prompts(states, real, kept, states.new_empty(len(rows), 0, 0))

    def _read_lazily(
        self,
        lazy: LazyDecoder,
        inputs: Tensor,
        position: Tensor,
        sees: Tensor,
        real: Tensor,
        ends: tuple[Tensor, Tensor],
    ) -> Prompts:
        """Prompts through all layers, and all levels through the lower ones at once."""
        model, batch = self.causal.base_model, len(inputs)
        levels = lazy.place.num_embeddings
        places = lazy.place.weight[None].expand(batch, -1, -1)
        # a level sees the prompt and itself; no token of the prompt sees a level
        blind = torch.cat(
            [
                functional.pad(sees, (0, levels)),
                torch.cat(
                    [
                        real[:, None, None, :].expand(-1, 1, levels, -1),
                        torch.eye(levels, dtype=torch.bool, device=self.device).expand(batch, 1, -1, -1),
                    ],
                    dim=-1,
                ),
            ],
            dim=2,
        )
        after = ends[1][:, None] + 1 + torch.arange(levels, device=self.device)
        hidden = torch.cat([self.causal.get_input_embeddings()(inputs), places], dim=1)
        hidden = run_layers(model, range(lazy.layers), hidden, torch.cat([position, after], dim=1), blind)
        trunk, shared = hidden[:, :-levels], hidden[:, -levels:]
        upper, cache = range(lazy.layers, len(model.layers)), LayerCache()
        states = model.norm(run_layers(model, upper, trunk, position, sees, cache))[ends]
        return Prompts(states.float(), real, tuple(cache.kept[number] for number in upper), shared)

    def tree(self, prompts: Prompts) -> Tree:
        """Where :meth:`grow` starts from: the prompts and no code."""
        levels = max(1, self.layout.levels - 1)
        return Tree(torch.empty(len(prompts.states), 0, levels, dtype=torch.int64, device=self.device), prompts.kept)

    @torch.inference_mode()
    def grow(self, prompts: Prompts, tree: Tree, level: int, codes: Tensor, parents: Tensor) -> tuple[Tensor, Tree]:
        """States after one more code on each of some prefixes. Only the new tokens run: one a prefix at every depth.

        Args:
            prompts: B requests.
            tree: what ran before.
            level: of the new codes.
            codes: int64[B, W].
            parents: int64[B, W], number in the tree of the code before each; not read at level 0.

        Returns:
            float32[B, W, d], and the tree with the new tokens at its end, in order.
        """
        batch, width = codes.shape
        forebears = self._lineage(tree, level, parents.to(self.device), width)
        sees_codes = torch.zeros(batch, width, tree.tokens + width, dtype=torch.bool, device=self.device)
        sees_codes.scatter_(2, forebears, True)
        sees = torch.cat([prompts.real[:, None, :].expand(-1, width, -1), sees_codes], dim=-1)[:, None]
        position = (prompts.real.sum(1, keepdim=True) + level).expand(-1, width)
        states, kept = self._run(
            prompts, tree.kept, codes.to(self.device) + self.layout.first(level), level, position, sees
        )
        return states.float(), Tree(torch.cat([tree.forebears, forebears], dim=1), kept)

    def _lineage(self, tree: Tree, level: int, parents: Tensor, width: int) -> Tensor:
        own = torch.arange(tree.tokens, tree.tokens + width, device=self.device)
        lineage = own[None, :, None].repeat(len(parents), 1, tree.forebears.shape[2])
        if level:
            above = tree.forebears[..., :level].gather(1, parents[..., None].expand(-1, -1, level))
            lineage[..., :level] = above
        return lineage

    def _run(
        self, prompts: Prompts, kept: Kept, tokens: Tensor, level: int, position: Tensor, sees: Tensor
    ) -> tuple[Tensor, Kept]:
        """States [B, W, d] of new codes, and keys and values with theirs added."""
        model = self.causal.base_model
        if self.lazy is None:
            cache: Any = DynamicCache(kept)
            output = model(
                input_ids=tokens, position_ids=position, attention_mask=sees, past_key_values=cache, use_cache=True
            )
            return output.last_hidden_state, tuple((layer.keys, layer.values) for layer in cache.layers)
        layers = range(self.lazy.layers, len(model.layers))
        shared = prompts.shared[:, level, None].expand(-1, tokens.shape[1], -1)
        hidden = self.lazy.fuse(shared, self.causal.get_input_embeddings()(tokens))
        own = LayerCache(dict(zip(layers, kept, strict=True)))
        hidden = run_layers(model, layers, hidden, position, sees, own)
        return model.norm(hidden), tuple(own.kept[number] for number in layers)

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
        tree = self.tree(prompts)
        for level, (parent, token, prefix) in enumerate(zip(trie.parent, trie.token, trie.prefix, strict=True)):
            if level == 0:
                logits = prompts.states @ self.rows[0][token].T
            else:
                # nodes of a level stand in the tree in their own order, behind those of the levels above
                above = tree.tokens - len(trie.prefix[level - 1]) + trie.parent[level - 1]
                codes = prefix[:, -1].expand(len(total), -1)
                at_nodes, tree = self.grow(prompts, tree, level - 1, codes, above.expand(len(total), -1))
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
