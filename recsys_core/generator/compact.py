"""The ``compact`` generator as a part of a release: saved, loaded, and asked in batches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import ReleaseError
from recsys_core.generator.beam import BeamSearch, Candidates, Floats, Ints
from recsys_core.generator.config import CompactConfig
from recsys_core.generator.exact import Expansion
from recsys_core.generator.family import Rules, no_items
from recsys_core.generator.fusion import Fusion
from recsys_core.generator.model import CatalogueTensors, CompactModel
from recsys_core.generator.train import last_states

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

EncodeTexts = Callable[[Sequence[str]], NDArray[np.float32]]
"""Sentences to float32[n, d_text] with rows of length 1."""


class Encoded(NamedTuple):
    """Requests after the transformer.

    Attributes:
        states: float32[B, d].
        wish: float32[B, w].
    """

    states: Tensor
    wish: Tensor

    def take(self, rows: Ints) -> Encoded:
        """Some of the requests: int64[b]."""
        return Encoded(self.states[rows], self.wish[rows])


class CompactExpander:
    """Prefixes of the exact search (:class:`recsys_core.generator.exact.Expander`).

    The transformer has run; a prefix costs one step of the depth head, whatever its depth.
    """

    def __init__(self, beam: BeamSearch, encoded: Encoded) -> None:
        self._beam = beam
        self._encoded = encoded

    def expand(self, level: int, nodes: NDArray[np.int32], above: Ints) -> Expansion:
        """See the protocol; a prefix is known by its node alone."""
        children, log_probability = self._beam.expand(level, nodes, self._encoded.states, self._encoded.wish)
        return Expansion(children, log_probability, np.zeros(nodes.shape, dtype=np.int64))

    def keep(self, rows: Ints) -> None:
        """See the protocol."""
        self._encoded = self._encoded.take(rows)


def make_model(
    config: CompactConfig,
    sids: NDArray[np.int32],
    text: NDArray[np.float32],
    *,
    hybrid: bool,
    seed: int,
    counts: NDArray[np.int64] | None = None,
) -> CompactModel:
    """A fresh model under a seed.

    Args:
        config: shape.
        sids: int32[n_items, L].
        text: float32[n_items, d_text], centred (:func:`recsys_core.generator.prepare.centred`).
        hybrid: whether the last level is the item-unique token.
        seed: of the initial weights.
        counts: int64[n_items], training interactions of each item; all alike when None.
    """
    torch.manual_seed(seed)
    tables = sids.shape[1] - (1 if hybrid else 0)
    sizes = tuple(int(sids[:, level].max()) + 1 for level in range(tables))
    counted = np.zeros(len(sids), dtype=np.int64) if counts is None else counts
    tensors = CatalogueTensors(
        torch.from_numpy(sids.astype(np.int64)),
        torch.from_numpy(np.ascontiguousarray(text)),
        sizes,
        hybrid,
        torch.from_numpy(np.asarray(counted, dtype=np.int64)),
    )
    return CompactModel(config, tensors)


def save_model(model: CompactModel, folder: Path) -> None:
    """Write ``model.safetensors`` and ``config.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: t.contiguous() for name, t in model.state_dict().items()}, folder / WEIGHTS_FILE)
    config = {
        "model_type": "sidra_compact",
        "layout": "hybrid" if model.hybrid else "pure",
        "code_sizes": list(model.code_sizes),
        "n_items": len(model.text),
        "shape": model.config.model_dump(),
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


class CompactGenerator:
    """Scores and searches semantic IDs for batches of requests.

    Args:
        model: trained.
        index: of the same semantic IDs.
        encode_texts: sentence encoder of instructions.
    """

    def __init__(self, model: CompactModel, index: ConstraintIndex, encode_texts: EncodeTexts) -> None:
        self.model = model.eval()
        self.index = index
        self.encode_texts = encode_texts
        self.beam = BeamSearch(self.model, index)
        with torch.inference_mode():
            self._item_vectors = self.model.item_vectors()
            self._item_keys = self.model.keys(self.model.levels, self._item_vectors)

    @classmethod
    def load(
        cls,
        folder: Path,
        sids: NDArray[np.int32],
        text: NDArray[np.float32],
        index: ConstraintIndex,
        encode_texts: EncodeTexts,
    ) -> CompactGenerator:
        """Open what :func:`save_model` wrote.

        Raises:
            ReleaseError: a file is missing, damaged, or doesn't fit the catalogue.
        """
        try:
            stored = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
            config = CompactConfig.model_validate(stored["shape"])
            model = make_model(config, sids, text, hybrid=stored["layout"] == "hybrid", seed=0)
            model.load_state_dict(load_file(folder / WEIGHTS_FILE))
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
            raise ReleaseError(f"{folder}: the generator can't be loaded ({error}); run `sidra build` again") from error
        return cls(model, index, encode_texts)

    @torch.inference_mode()
    def encode(self, histories: Sequence[Ints], instructions: Sequence[str]) -> Encoded:
        """Read histories and instructions.

        Args:
            histories: item indices per request, newest last.
            instructions: plain words per request; blank means none.
        """
        present = [bool(text.strip()) for text in instructions]
        sentence = torch.zeros(len(histories), self.model.text.shape[1])
        if any(present):
            rows = [n for n, there in enumerate(present) if there]
            vectors = self.encode_texts([instructions[n].strip() for n in rows])
            sentence[rows] = torch.from_numpy(np.asarray(vectors, dtype=np.float32))
        instruction = self.model.instruct(sentence, torch.tensor(present, dtype=torch.bool))
        states = last_states(self.model, list(histories), instruction, self._item_vectors)
        return Encoded(states, instruction.wish)

    @torch.inference_mode()
    def item_head(self, encoded: Encoded) -> Floats:
        """Log-probability of every item by the auxiliary head, one softmax over the catalogue: float32[B, n_items].

        It sees no semantic IDs, so its mistakes are others than those of the search.
        """
        query = self.model.query(self.model.levels, encoded.states, encoded.wish)
        return np.asarray(torch.log_softmax(query @ self._item_keys.T, dim=-1).numpy(), dtype=np.float32)

    def search(
        self,
        encoded: Encoded,
        rules: Rules,
        widths: Ints,
        pool: int,
        fusion: Fusion | None = None,
    ) -> tuple[Candidates, dict[str, float]]:
        """Beam search under one rule a request.

        Args:
            encoded: from :meth:`encode`.
            rules: what may come back.
            widths: int64[B], beam of each request.
            pool: at most so many items come back a request.
            fusion: how prefix and item scores are combined; the model's own probabilities when None.

        Returns:
            Candidates, and milliseconds spent on rules and on the search.
        """
        if not len(encoded.states):
            return Candidates(*no_items(), spread=np.empty(0, np.float32), expanded=np.empty(0, np.int64)), {}
        started = time.perf_counter()
        restriction = self.index.restrict(rules.allowed)
        ruled = time.perf_counter()
        found = self.beam.search(encoded.states, encoded.wish, restriction, widths, pool, fusion)
        timings = {"rules": (ruled - started) * 1e3, "search": (time.perf_counter() - ruled) * 1e3}
        return found, timings

    def expander(self, encoded: Encoded) -> CompactExpander:
        """For :func:`recsys_core.generator.exact.exact_search`."""
        return CompactExpander(self.beam, encoded)

    def log_probabilities(self, encoded: Encoded, items: Ints) -> Floats:
        """Exact log-probability of given items: int64[B, M] (-1 = padding) to float32[B, M]."""
        if not items.size:
            return np.empty(items.shape, dtype=np.float32)
        return self.beam.log_probabilities(encoded.states, encoded.wish, items)
