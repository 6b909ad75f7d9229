"""The ``lm`` generator as a part of a release: saved in transformers layout, loaded, asked in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import ReleaseError
from recsys_core.generator.family import Rules, no_items
from recsys_core.generator.fusion import Fusion
from recsys_core.generator.lm.base import StockModel
from recsys_core.generator.lm.engine import LmEngine, Prompts
from recsys_core.generator.lm.lazy import LazyDecoder
from recsys_core.generator.lm.model import LmModel
from recsys_core.generator.lm.search import Found, LmExpander, LmSearch
from recsys_core.generator.lm.vocabulary import LmVocabulary
from recsys_core.generator.trie import TrieTensors

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

EXACT_PREFIXES = 2048
"""Up to so many prefixes all items are scored exactly; beyond, :meth:`LmGenerator.scores` searches."""

SCORE_BEAM = 64
"""Beam of that search."""

SCORE_POOL = 500
"""Items that it scores."""


def save_lm(model: LmModel, vocabulary: LmVocabulary, folder: Path) -> None:
    """Fold and write: ``config.json``, ``model.safetensors``, the tokenizer's files and ``sidra_lm.json``.

    The folder is an ordinary causal LM: ``AutoModelForCausalLM`` and vLLM open it without code of ours. With a lazy
    decoder it is not: its own weights lie beside, and ``config.json`` says so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    causal = model.fold()
    lazy, causal.lazy_decoder = causal.lazy_decoder, None
    with _no_bars():
        causal.save_pretrained(folder)
    if lazy is not None:
        lazy.save(folder)
    folded_vocabulary(model, vocabulary).save(folder)


def folded_vocabulary(model: LmModel, vocabulary: LmVocabulary) -> LmVocabulary:
    """The vocabulary with the factor that folding leaves out of the item rows."""
    factor = 1.0
    if vocabulary.layout.hybrid:
        ratio = model.scale(vocabulary.layout.levels) / model.scale(vocabulary.layout.levels - 1)
        factor = float(ratio.detach())
    layout = vocabulary.layout.model_copy(update={"item_head_factor": factor})
    return LmVocabulary(vocabulary.tokenizer, layout)


@contextmanager
def _no_bars() -> Iterator[None]:
    """The library's progress bars, which a model of a megabyte needs none of, stay off the terminal."""
    bars: Any = logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


class LmGenerator:
    """Scores and searches semantic IDs for batches of requests; instructions are read as text.

    Args:
        causal: a stock causal LM, with a ``lazy_decoder`` where it was trained with one.
        vocabulary: its tokens.
        index: of the same semantic IDs.
    """

    def __init__(self, causal: StockModel, vocabulary: LmVocabulary, index: ConstraintIndex) -> None:
        self.vocabulary = vocabulary
        self.index = index
        self.engine = LmEngine(causal, vocabulary.layout)
        self.beam = LmSearch(self.engine, index)
        self.trie = TrieTensors.from_index(index, hybrid=vocabulary.layout.hybrid)
        self.sids: NDArray[np.int32] = index.sids()
        self.parameters = sum(p.numel() for p in causal.parameters())

    @classmethod
    def load(cls, folder: Path, index: ConstraintIndex, *, device: str = "cpu") -> LmGenerator:
        """Open what :func:`save_lm` wrote.

        Args:
            folder: in transformers layout.
            index: of the same semantic IDs.
            device: where the model runs.

        Raises:
            ReleaseError: a file is missing, damaged, or doesn't fit the index.
        """
        vocabulary = LmVocabulary.load(folder)
        try:
            with _no_bars():
                causal: StockModel = AutoModelForCausalLM.from_pretrained(
                    folder, local_files_only=True, dtype=torch.float32, attn_implementation="sdpa"
                )
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
            raise ReleaseError(f"{folder}: the generator can't be loaded ({error}); run `sidra build` again") from error
        layout = vocabulary.layout
        rows = int(causal.get_output_embeddings().weight.shape[0])
        if (layout.n_items, layout.levels, layout.size) != (len(index), index.levels, rows):
            raise ReleaseError(
                f"{folder}: the generator knows {layout.n_items} items on {layout.levels} levels and {rows} tokens, "
                f"the constraint index {len(index)} items on {index.levels} levels; run `sidra build` again"
            )
        if layout.lazy_layers:
            width = causal.config.hidden_size
            causal.lazy_decoder = LazyDecoder.load(folder, layout.lazy_layers, layout.levels - 1, width)
        return cls(causal.to(device), vocabulary, index)

    def encode(self, histories: Sequence[Ints], instructions: Sequence[str]) -> Prompts:
        """Read instructions and histories.

        Args:
            histories: item indices per request, newest last.
            instructions: plain words per request; blank means none.
        """
        return self.engine.read(self.vocabulary.encode(instructions), histories)

    @torch.inference_mode()
    def item_head(self, encoded: Prompts) -> Floats:
        """Log-probability of every item by one softmax over the catalogue (the auxiliary loss): float32[B, n_items].

        It sees no semantic IDs, so its mistakes are others than those of the search.
        """
        logits = encoded.states @ self.engine.item_rows.T * self.vocabulary.layout.item_head_factor
        return np.asarray(torch.log_softmax(logits, dim=-1).cpu().numpy(), dtype=np.float32)

    def search(
        self,
        encoded: Prompts,
        rules: Rules,
        widths: Ints,
        pool: int,
        fusion: Fusion | None = None,
    ) -> tuple[Found, dict[str, float]]:
        """Beam search under one rule a request.

        Args:
            encoded: from :meth:`encode`.
            rules: what may come back.
            widths: int64[B], beam of each request.
            pool: at most so many items come back a request.
            fusion: how prefix and item scores are combined; the model's own probabilities when None.

        Returns:
            What was found, and milliseconds spent on rules and on the search.
        """
        if not len(encoded.states):
            return Found(*no_items(), spread=np.empty(0, np.float32), expanded=np.empty(0, np.int64), forwarded=0), {}
        started = time.perf_counter()
        restriction = self.index.restrict(rules.allowed)
        ruled = time.perf_counter()
        found = self.beam.search(encoded, restriction, widths, pool, fusion)
        timings = {"rules": (ruled - started) * 1e3, "search": (time.perf_counter() - ruled) * 1e3}
        return found, timings

    def expander(self, encoded: Prompts) -> LmExpander:
        """For :func:`recsys_core.generator.exact.exact_search`."""
        return LmExpander(self.beam, encoded)

    def log_probabilities(self, encoded: Prompts, items: Ints) -> Floats:
        """Exact log-probability of given items: int64[B, M] (-1 = padding) to float32[B, M]."""
        if not items.size:
            return np.empty(items.shape, dtype=np.float32)
        return self.beam.log_probabilities(encoded, items)

    def scores(self, histories: list[Ints], instructions: Sequence[str] | None = None) -> Floats:
        """Log-probability of every item after each history: float32[B, n_items].

        Exact in the hybrid layout and wherever there are at most :data:`EXACT_PREFIXES` prefixes; else -inf for items
        that a beam of :data:`SCORE_BEAM` doesn't reach.

        Args:
            histories: item indices per user, newest last; may be empty.
            instructions: plain words per user; none when left out.
        """
        words = instructions or [""] * len(histories)
        parts = [self._scores(histories[s : s + 64], words[s : s + 64]) for s in range(0, len(histories), 64)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.index)), np.float32)

    def _scores(self, histories: list[Ints], instructions: Sequence[str]) -> Floats:
        encoded = self.encode(histories, instructions)
        if max(len(prefix) for prefix in self.trie.prefix) <= EXACT_PREFIXES:
            exact = self.engine.all_log_probabilities(encoded, self.trie)
            return np.asarray(exact.cpu().numpy(), dtype=np.float32)
        free = np.ones((len(histories), len(self.index)), dtype=bool)
        widths = np.full(len(histories), SCORE_BEAM, dtype=np.int64)
        found, _ = self.search(encoded, Rules(free), widths, SCORE_POOL)
        scores = np.full(free.shape, -np.inf, dtype=np.float32)
        real = found.items >= 0
        rows = np.broadcast_to(np.arange(len(histories))[:, None], real.shape)
        scores[rows[real], found.items[real]] = found.log_probability[real]
        return scores
