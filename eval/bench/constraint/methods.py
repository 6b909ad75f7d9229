"""Every way of masking as the benchmark runs it, on one catalogue with states and scores for every level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bench.constraint.catalogue import random_sids
from eval.bench.constraint.config import BenchConfig
from recsys_core.constraints import ConstraintIndex
from recsys_core.constraints.masking import Masker
from recsys_core.constraints.prepared import CachedMasker, CompactedMasker
from recsys_core.constraints.rules import LiveMasker, Rule
from recsys_core.errors import ConfigError

TRIE_ITEMS = 2_000_000
"""A trie of dictionaries takes 1.7 kB an item; larger catalogues go without."""


@dataclass
class Case:
    """One catalogue with states and scores for every level."""

    config: BenchConfig
    sids: NDArray[Any]
    index: ConstraintIndex
    rule: Rule
    small: Rule
    prefixes: list[NDArray[np.int64]]
    nodes: list[NDArray[np.int64]]
    scores: list[NDArray[np.float32]]
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, config: BenchConfig, items: int, codes: str) -> Case:
        """Draw semantic IDs, rules, states and scores under the seed of ``config``."""
        sids = random_sids(items, config.levels, config.vocab, codes, config.seed)
        index = ConstraintIndex.build(sids)
        rng = np.random.default_rng([config.seed, 1])
        allowed = rng.random(items) < config.share
        allowed[rng.integers(items)] = True
        small = allowed & (rng.random(items) < config.compacted_share)
        small[np.flatnonzero(allowed)[0]] = True
        chosen = rng.choice(np.flatnonzero(small), config.beams)
        prefixes = [sids[chosen, :level].astype(np.int64) for level in range(config.levels)]
        plain = Masker(index.arrays, items)
        return cls(
            config,
            sids,
            index,
            Rule.of_items(index.arrays, items, allowed),
            Rule.of_items(index.arrays, items, small),
            prefixes,
            [plain.locate(prefix) for prefix in prefixes],
            [rng.standard_normal((config.beams, config.vocab), dtype=np.float32) for _ in range(config.levels)],
        )


Action = Callable[[int], Any]
"""Does one step at a level."""


@dataclass
class Method:
    """A way of masking: the step, and the step with the choice of the best."""

    step: Action
    best: Action
    open: Callable[[Any], int]
    """How many continuations a step's result leaves open."""
    read: Callable[[Any], int]
    """How many places the step's result has, padding included."""


def _ours(case: Case, masker: Masker, nodes: Sequence[NDArray[np.int64]]) -> Method:
    def step(level: int) -> Any:
        return masker.step(level, nodes[level], case.scores[level])

    return Method(
        step,
        lambda level: step(level).best(case.config.beams),
        lambda found: int(np.count_nonzero(found.scores > -np.inf)),
        lambda found: int(found.scores.size),
    )


def _padded(case: Case, step: Action) -> Method:
    """A step that gives scores, tokens and states as tensors ``[B, F]``."""

    def best(level: int) -> Any:
        scores, tokens, states = step(level)
        kept = scores.reshape(-1).topk(min(case.config.beams, scores.numel()))
        return kept.values, tokens.reshape(-1)[kept.indices], states.reshape(-1)[kept.indices]

    return Method(step, best, lambda found: int((found[0] > -float("inf")).sum()), lambda found: int(found[0].numel()))


def _by_prefix(case: Case, mask: Callable[[NDArray[np.int64], NDArray[np.float32]], Any]) -> Method:
    """A step that gives dense scores ``[B, V]``."""
    import torch

    def step(level: int) -> Any:
        return mask(case.prefixes[level], case.scores[level])

    def best(level: int) -> Any:
        flat = torch.from_numpy(np.asarray(step(level))).reshape(-1)
        return flat.topk(min(case.config.beams, flat.numel()))

    return Method(
        step, best, lambda found: int(np.count_nonzero(found > -np.inf)), lambda found: int(np.asarray(found).size)
    )


def make_method(case: Case, name: str) -> Method:
    """The method of a name, ready to run.

    Raises:
        ConfigError: the catalogue is too large for it.
        ImportError: a library that it needs is missing.
    """
    import torch

    from recsys_core.constraints import reference

    items = len(case.index)
    plain = Masker(case.index.arrays, items)
    if name == "sidra_plain":
        return _ours(case, plain, case.nodes)
    if name == "sidra_live":
        return _ours(case, LiveMasker(plain, case.rule), case.nodes)
    if name == "sidra_cached":
        return _ours(case, CachedMasker(plain, case.rule), case.nodes)
    if name == "sidra_compacted":
        compacted = CompactedMasker(plain, case.small)
        return _ours(case, compacted, [compacted.locate(prefix) for prefix in case.prefixes])
    if name == "sidra_processor":
        return _processor(case, plain)
    if name == "sidra_torch":
        from recsys_core.constraints.torch_masking import TorchMasker

        masker = TorchMasker(case.index.arrays)
        nodes = [torch.from_numpy(node) for node in case.nodes]
        scores = [torch.from_numpy(each) for each in case.scores]
        return _padded(case, lambda level: masker.step(level, nodes[level], scores[level]))
    if name in {"csr_eager", "csr_compiled"}:
        return _csr(case, compiled=name == "csr_compiled")
    if name == "prefix_fn":
        from recsys_core.constraints.reference.prefix_function import PrefixFunction

        if items > TRIE_ITEMS:
            raise ConfigError(f"a trie of dictionaries isn't built for more than {TRIE_ITEMS} items")
        return _by_prefix(case, PrefixFunction(case.sids).mask)
    if name == "hash_bitmap":
        return _by_prefix(case, reference.HashBitmap(case.sids).mask)
    if name == "sorted_top50":
        return _by_prefix(case, reference.SortedArrayTopK(case.sids, 50).mask)
    return _by_prefix(case, reference.SortedArray(case.sids).mask)


def _processor(case: Case, plain: Masker) -> Method:
    import torch

    from recsys_core.constraints.processor import SidLogitsProcessor

    processor = SidLogitsProcessor(plain, prompt=0)
    tokens = [torch.from_numpy(prefix) for prefix in case.prefixes]
    scores = [torch.from_numpy(each) for each in case.scores]

    def step(level: int) -> Any:
        # it writes into the scores, so it gets a copy, whose making is counted
        return processor(tokens[level], scores[level].clone())

    def best(level: int) -> Any:
        return step(level).reshape(-1).topk(min(case.config.beams, scores[level].numel()))

    return Method(step, best, lambda found: int((found > -float("inf")).sum()), lambda found: int(found.numel()))


def _csr(case: Case, compiled: bool) -> Method:
    import torch

    from recsys_core.constraints.reference.padded_csr import PaddedCsr

    csr = PaddedCsr(case.index.arrays, case.config.vocab, dense_levels=1)
    states = [torch.from_numpy(node + csr.first_state[level]) for level, node in enumerate(case.nodes)]
    scores = [torch.from_numpy(each) for each in case.scores]
    if not compiled:
        return _padded(case, lambda level: csr.step(level, states[level], scores[level]))
    steps = [csr.compiled(level) for level in range(csr.levels)]
    return _padded(case, lambda level: steps[level](states[level], scores[level]))
