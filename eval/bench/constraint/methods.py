"""Every way of masking as the benchmark runs it, on one catalogue with states and scores for every level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bench.constraint.catalogue import random_sids
from eval.bench.constraint.config import ON_A_GPU, BenchConfig
from recsys_core.constraints import ConstraintIndex
from recsys_core.constraints.masking import Masker
from recsys_core.constraints.prepared import CachedMasker, CompactedMasker
from recsys_core.constraints.rules import LiveMasker, Rule
from recsys_core.errors import ConfigError

GRAMMAR_ITEMS = 2_000
"""xgrammar compiles so many semantic IDs in some ten seconds, twice as many in four times that."""

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
    ready: Callable[[int], None] = lambda level: None
    """Puts back what a step writes over; not timed."""


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


def _by_prefix(case: Case, mask: Callable[[Any, Any], Any], on_device: bool = False) -> Method:
    """A step that gives dense scores ``[B, V]``."""
    import torch

    prefixes: list[Any] = _tensors(case, case.prefixes) if on_device else case.prefixes
    scores: list[Any] = _tensors(case, case.scores) if on_device else case.scores

    def step(level: int) -> Any:
        return mask(prefixes[level], scores[level])

    def best(level: int) -> Any:
        flat = torch.as_tensor(step(level)).reshape(-1)
        return flat.topk(min(case.config.beams, flat.numel()))

    return Method(
        step,
        best,
        lambda found: int((torch.as_tensor(found) > -np.inf).sum()),
        lambda found: int(torch.as_tensor(found).numel()),
    )


def _tensors(case: Case, arrays: Sequence[NDArray[Any]]) -> list[Any]:
    """Arrays as tensors on the device that is measured."""
    import torch

    return [torch.from_numpy(array).to(case.config.device) for array in arrays]


def make_method(case: Case, name: str) -> Method:
    """The method of a name, ready to run.

    Raises:
        ConfigError: the catalogue is too large for it, it steps on the processor alone, or there is no such device.
        ImportError: a library that it needs is missing.
    """
    import torch

    if case.config.device != "cpu":
        if not torch.cuda.is_available():
            raise ConfigError("no GPU that torch can use is here")
        if name not in ON_A_GPU:
            raise ConfigError(f"{name} steps on the processor; leave --device out")
    return _MAKERS[name](case, name)


def _numpy(case: Case, name: str) -> Method:
    plain = Masker(case.index.arrays, len(case.index))
    if name == "sidra_compacted":
        compacted = CompactedMasker(plain, case.small)
        return _ours(case, compacted, [compacted.locate(prefix) for prefix in case.prefixes])
    masker = plain
    if name != "sidra_plain":
        masker = (LiveMasker if name == "sidra_live" else CachedMasker)(plain, case.rule)
    return _ours(case, masker, case.nodes)


def _reference(case: Case, name: str) -> Method:
    from recsys_core.constraints import reference

    if name == "hash_bitmap":
        return _by_prefix(case, reference.HashBitmap(case.sids).mask)
    if name == "sorted_top50":
        return _by_prefix(case, reference.SortedArrayTopK(case.sids, 50).mask)
    return _by_prefix(case, reference.SortedArray(case.sids).mask)


def _prefix_function(case: Case, name: str) -> Method:
    from recsys_core.constraints.reference.prefix_function import PrefixFunction

    if len(case.index) > TRIE_ITEMS:
        raise ConfigError(f"a trie of dictionaries isn't built for more than {TRIE_ITEMS} items")
    return _by_prefix(case, PrefixFunction(case.sids).mask_tensors, on_device=True)


def _processor(case: Case, name: str) -> Method:
    import torch

    from recsys_core.constraints.processor import SidLogitsProcessor

    plain = Masker(case.index.arrays, len(case.index))
    # one each, so that both meet the levels in order, as in ``generate``
    alone, with_best = (SidLogitsProcessor(plain, prompt=0) for _ in range(2))
    tokens = [torch.from_numpy(prefix) for prefix in case.prefixes]
    given = [torch.from_numpy(each) for each in case.scores]
    # it writes into the scores, which ``generate`` has copied for its processors anyhow
    scores = [each.clone() for each in given]

    def best(level: int) -> Any:
        return with_best(tokens[level], scores[level]).reshape(-1).topk(min(case.config.beams, scores[level].numel()))

    return Method(
        lambda level: alone(tokens[level], scores[level]),
        best,
        lambda found: int((found > -float("inf")).sum()),
        lambda found: int(found.numel()),
        lambda level: _put_back(scores[level], given[level]),
    )


def _put_back(scores: Any, given: Any) -> None:
    scores.copy_(given)


def _torch(case: Case, name: str) -> Method:
    from recsys_core.constraints.torch_masking import TorchMasker

    rule = case.rule if name == "sidra_torch_rule" else None
    masker = TorchMasker(case.index.arrays, case.config.device, rule)
    nodes, scores = _tensors(case, case.nodes), _tensors(case, case.scores)
    if name != "sidra_torch_compiled":
        return _padded(case, lambda level: masker.step(level, nodes[level], scores[level]))
    steps = [masker.compiled(level) for level in range(masker.levels)]
    return _padded(case, lambda level: steps[level](nodes[level], scores[level]))


def _grammar(case: Case, name: str) -> Method:
    import torch

    from recsys_core.constraints.reference.grammar import Grammar

    if len(case.index) > GRAMMAR_ITEMS:
        raise ConfigError(f"xgrammar isn't asked to compile more than {GRAMMAR_ITEMS} semantic IDs")
    grammar = Grammar(case.sids, case.config.vocab)
    matchers = [grammar.matchers(prefix) for prefix in case.prefixes]
    given = [torch.from_numpy(each) for each in case.scores]
    scores = [each.clone() for each in given]

    def step(level: int) -> Any:
        return grammar.mask_(matchers[level], scores[level])

    return Method(
        step,
        lambda level: step(level).reshape(-1).topk(min(case.config.beams, scores[level].numel())),
        lambda found: int((found > -float("inf")).sum()),
        lambda found: int(found.numel()),
        lambda level: _put_back(scores[level], given[level]),
    )


def _csr(case: Case, name: str) -> Method:
    from recsys_core.constraints.reference.padded_csr import PaddedCsr

    csr = PaddedCsr(case.index.arrays, case.config.vocab, dense_levels=1, device=case.config.device)
    states = _tensors(case, [node + csr.first_state[level] for level, node in enumerate(case.nodes)])
    scores = _tensors(case, case.scores)
    if name == "csr_eager":
        return _padded(case, lambda level: csr.step(level, states[level], scores[level]))
    steps = [csr.compiled(level) for level in range(csr.levels)]
    return _padded(case, lambda level: steps[level](states[level], scores[level]))


_MAKERS: dict[str, Callable[[Case, str], Method]] = {
    **dict.fromkeys(("sidra_plain", "sidra_live", "sidra_cached", "sidra_compacted"), _numpy),
    **dict.fromkeys(("sidra_torch", "sidra_torch_rule", "sidra_torch_compiled"), _torch),
    **dict.fromkeys(("csr_eager", "csr_compiled"), _csr),
    **dict.fromkeys(("sorted_exact", "sorted_top50", "hash_bitmap"), _reference),
    "sidra_processor": _processor,
    "prefix_fn": _prefix_function,
    "xgrammar": _grammar,
}
