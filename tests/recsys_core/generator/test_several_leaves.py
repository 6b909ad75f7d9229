"""Items with several semantic IDs: beam and exact form against brute force over every leaf."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.generator.compact import CompactGenerator
from recsys_core.generator.family import Rules
from recsys_core.generator.trie import TrieTensors, all_log_probabilities
from tests.recsys_core.generator.small import Small, make_small


def with_several_leaves(small: Small, seed: int, share: float) -> tuple[CompactGenerator, np.ndarray, np.ndarray]:
    """The same model behind an index where some items have up to three more paths: generator, SIDs, their items."""
    rng = np.random.default_rng(seed)
    sids, items = [list(map(int, sid)) for sid in small.sids], list(range(len(small.sids)))
    taken = {tuple(sid) for sid in sids}
    sizes = small.generator.model.code_sizes
    for item in np.flatnonzero(rng.random(len(small.sids)) < share).tolist():
        for _ in range(int(rng.integers(1, 4))):
            path = [int(rng.integers(size)) for size in sizes] + ([item] if small.hybrid else [])
            if tuple(path) not in taken:
                taken.add(tuple(path))
                sids.append(path)
                items.append(item)
    index = ConstraintIndex.build(sids, items=items)
    generator = CompactGenerator(small.generator.model, index, small.generator.encode_texts)
    return generator, np.array(sids), np.array(items)


def brute_force(generator, sids, items, state, wish) -> np.ndarray:
    """Log-probability of every item: a dict trie of all paths, Python numbers, the paths of an item added up."""
    model = generator.model
    children: dict[tuple[int, ...], set[int]] = {}
    for sid in sids.tolist():
        for level in range(len(sid)):
            children.setdefault(tuple(sid[:level]), set()).add(sid[level])
    mass = np.zeros(len(generator.index))
    keys = [model.keys(level) for level in range(sids.shape[1])]
    for sid, item in zip(sids.tolist(), items.tolist(), strict=True):
        total = 0.0
        for level, token in enumerate(sid):
            at, content, popular = state.split([model.config.width, model.content_width, 1])
            if level:
                at = at + model.depth[level - 1](at, sum(model.codes[e].weight[sid[e]] for e in range(level)))
            query = torch.cat(
                [
                    functional.normalize(at, dim=-1) * model.log_scales[level].exp(),
                    content * model.log_content_scales[level].exp(),
                    popular + model.popularity_scales[level],
                    torch.ones(1),
                    wish * model.log_wish_scales[level].exp(),
                ]
            )
            logits = {t: float(query @ keys[level][t]) for t in children[tuple(sid[:level])]}
            total += logits[token] - math.log(sum(math.exp(v) for v in logits.values()))
        mass[item] += math.exp(total)
    return np.log(mass)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_items=st.integers(1, 25),
    hybrid=st.booleans(),
    levels=st.integers(1, 2),
    share=st.floats(0, 1),
    allowed_share=st.floats(0, 1),
)
def test_a_wide_beam_equals_brute_force_and_names_each_item_once(seed, n_items, hybrid, levels, share, allowed_share):
    small = make_small(seed, n_items, hybrid=hybrid, levels=levels)
    generator, sids, items = with_several_leaves(small, seed, share)
    rng = np.random.default_rng(seed)
    encoded = generator.encode([rng.integers(n_items, size=n) for n in (0, 3)], ["something", ""])
    allowed = rng.random((2, n_items)) < allowed_share
    found, _ = generator.search(encoded, Rules(allowed), np.full(2, len(sids)), pool=n_items)
    trie = TrieTensors.from_index(generator.index, hybrid=hybrid)
    with torch.no_grad():
        exact = all_log_probabilities(generator.model, trie, encoded.states, encoded.wish).numpy()
        asked = generator.log_probabilities(encoded, np.tile(np.arange(n_items), (2, 1)))
        for row in range(2):
            expected = brute_force(generator, sids, items, encoded.states[row], encoded.wish[row])
            np.testing.assert_allclose(exact[row], expected, atol=1e-4)
            np.testing.assert_allclose(asked[row], expected, atol=1e-4)
            kept = found.items[row][found.items[row] >= 0]
            assert sorted(kept.tolist()) == np.flatnonzero(allowed[row]).tolist()
            np.testing.assert_allclose(found.log_probability[row][: len(kept)], expected[kept], atol=1e-4)
            assert (np.diff(found.log_probability[row][: len(kept)]) <= 0).all()
    np.testing.assert_allclose(np.exp(exact).sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("hybrid", [True, False])
def test_a_narrow_beam_adds_up_only_the_leaves_it_reached(hybrid):
    small = make_small(11, 30, hybrid=hybrid)
    generator, sids, items = with_several_leaves(small, 11, 0.6)
    encoded = generator.encode([np.array([1, 2])], [""])
    found, _ = generator.search(encoded, Rules(np.ones((1, 30), dtype=bool)), np.array([2]), pool=30)
    kept = found.items[0][found.items[0] >= 0]
    assert 0 < len(kept) == len(set(kept.tolist()))
    with torch.no_grad():
        expected = brute_force(generator, sids, items, encoded.states[0], encoded.wish[0])
    assert (found.log_probability[0][: len(kept)] <= expected[kept] + 1e-4).all()


def test_an_item_with_several_leaves_takes_one_place_of_the_pool():
    small = make_small(4, 6, hybrid=True, levels=1, codes=3)
    sids = [*small.sids.tolist(), *([code, 0] for code in range(3))]
    index = ConstraintIndex.build(sids, items=[*range(6), 0, 0, 0])
    generator = CompactGenerator(small.generator.model, index, small.generator.encode_texts)
    encoded = generator.encode([np.array([1])], [""])
    found, _ = generator.search(encoded, Rules(np.ones((1, 6), dtype=bool)), np.array([9]), pool=6)
    assert sorted(found.items[0].tolist()) == list(range(6))
