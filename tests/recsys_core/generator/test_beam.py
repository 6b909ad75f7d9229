"""The beam against brute force: a plain dict trie, every item scored one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from recsys_core.generator.family import Rules
from recsys_core.generator.trie import TrieTensors, all_log_probabilities
from tests.recsys_core.generator.small import make_small


def brute_force(small, states, wish) -> np.ndarray:
    """Log-probability of every item of one request, by walking a dict trie with Python numbers."""
    model = small.generator.model
    children: dict[tuple[int, ...], set[int]] = {}
    for sid in small.sids.tolist():
        for level in range(len(sid)):
            children.setdefault(tuple(sid[:level]), set()).add(sid[level])
    out = np.zeros(len(small.sids))
    for item, sid in enumerate(small.sids.tolist()):
        total = 0.0
        for level in range(len(sid)):
            state, content, popular = states.split([model.config.width, model.content_width, 1])
            if level:
                codes = sum(model.codes[e].weight[sid[e]] for e in range(level))
                state = state + model.depth[level - 1](state, codes)
            taste = functional.normalize(state, dim=-1) * model.log_scales[level].exp()
            wished = wish * model.log_wish_scales[level].exp()
            keys = model.keys(level)
            about = content * model.log_content_scales[level].exp()
            popular = popular + model.popularity_scales[level]
            logits = {
                token: float(torch.cat([taste, about, popular, torch.ones(1), wished]) @ keys[token])
                for token in children[tuple(sid[:level])]
            }
            total += logits[sid[level]] - math.log(sum(math.exp(v) for v in logits.values()))
        out[item] = total
    return out


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_items=st.integers(1, 40),
    hybrid=st.booleans(),
    levels=st.integers(1, 3),
    share=st.floats(0, 1),
    wide=st.booleans(),
    content_width=st.sampled_from([0, 3, 128]),
)
def test_search_equals_brute_force(seed, n_items, hybrid, levels, share, wide, content_width):
    small = make_small(seed, n_items, hybrid=hybrid, levels=levels, content_width=content_width)
    rng = np.random.default_rng(seed)
    histories = [rng.integers(n_items, size=int(rng.integers(0, 9))) for _ in range(3)]
    encoded = small.generator.encode(histories, ["something warm", "", "something cold"])
    allowed = rng.random((3, n_items)) < share
    width = n_items if wide else 2
    found, _ = small.generator.search(encoded, Rules(allowed), np.full(3, width), pool=n_items)
    with torch.no_grad():
        for row in range(3):
            expected = brute_force(small, encoded.states[row], encoded.wish[row])
            items = found.items[row][found.items[row] >= 0]
            assert len(set(items.tolist())) == len(items)
            assert allowed[row][items].all()
            np.testing.assert_allclose(found.log_probability[row][: len(items)], expected[items], atol=1e-4)
            if wide:
                # a beam as wide as the catalogue misses nothing
                assert set(items.tolist()) == set(np.flatnonzero(allowed[row]).tolist())
                best = expected[np.flatnonzero(allowed[row])]
                np.testing.assert_allclose(found.log_probability[row][: len(items)], np.sort(best)[::-1], atol=1e-4)
            elif allowed[row].any():
                assert len(items) > 0, "a beam must never die while something is allowed"


@pytest.mark.parametrize("hybrid", [True, False])
def test_probabilities_of_all_items_sum_to_one(hybrid):
    small = make_small(3, 50, hybrid=hybrid)
    generator = small.generator
    encoded = generator.encode([np.array([1, 2, 3]), np.array([], dtype=np.int64)], ["a wish", ""])
    trie = TrieTensors.from_index(generator.index, hybrid=hybrid)
    with torch.no_grad():
        everything = all_log_probabilities(generator.model, trie, encoded.states, encoded.wish).numpy()
    np.testing.assert_allclose(np.exp(everything).sum(axis=1), 1.0, atol=1e-5)
    given_items = np.tile(np.arange(50), (2, 1))
    np.testing.assert_allclose(generator.log_probabilities(encoded, given_items), everything, atol=1e-4)


def test_results_do_not_depend_on_the_rest_of_the_batch():
    small = make_small(5, 40, hybrid=True)
    histories = [np.array([1, 2]), np.array([3, 4, 5, 6, 7, 8, 9]), np.array([], dtype=np.int64)]
    words = ["", "a wish", "another"]
    allowed = np.ones((3, 40), dtype=bool)
    together, _ = small.generator.search(
        small.generator.encode(histories, words), Rules(allowed), np.array([2, 4, 3]), 20
    )
    for row in range(3):
        alone, _ = small.generator.search(
            small.generator.encode([histories[row]], [words[row]]), Rules(allowed[:1]), np.array([[2, 4, 3][row]]), 20
        )
        kept = alone.items[0][alone.items[0] >= 0]
        assert together.items[row][: len(kept)].tolist() == kept.tolist()
        np.testing.assert_allclose(
            together.log_probability[row][: len(kept)], alone.log_probability[0][: len(kept)], atol=1e-4
        )


def test_closed_items_never_take_a_place_in_the_beam():
    small = make_small(7, 60, hybrid=True, levels=1, codes=6)
    encoded = small.generator.encode([np.array([1])], [""])
    everything = np.ones((1, 60), dtype=bool)
    first, _ = small.generator.search(encoded, Rules(everything), np.array([1]), 60)
    bucket = first.items[0][first.items[0] >= 0]
    # close the whole best bucket: the one beam must now stand on another prefix
    everything[0, bucket] = False
    second, _ = small.generator.search(encoded, Rules(everything), np.array([1]), 60)
    rest = second.items[0][second.items[0] >= 0]
    assert len(rest) > 0
    assert not set(rest.tolist()) & set(bucket.tolist())
