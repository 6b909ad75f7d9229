"""CapsID: the contract, the routing equations by hand, and paths that end."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.sids import CapsID, CapsIDConfig, SidConfig
from recsys_core.sids.capsid import _independent_beam, principal_components, unit_length
from recsys_core.sids.capsid_training import route
from recsys_core.sids.layouts import make_tokenizer
from tests.contracts.tokenizer import TokenizerContract, clustered

SMALL = CapsIDConfig(levels=3, items_per_code=16, rank=4, epochs=1, batch=256)


class TestCapsIDHybrid(TokenizerContract):
    examples = 8

    def make(self):
        config = SMALL.model_copy(update={"levels": 2})
        return make_tokenizer(SidConfig(layout="hybrid", quantizer="capsid", capsid=config))


class TestCapsIDPure(TokenizerContract):
    examples = 8

    def make(self):
        return make_tokenizer(SidConfig(layout="pure", quantizer="capsid", capsid=SMALL))


def squash(vote):
    squares = float(vote @ vote)
    return squares / (0.5 + squares) * vote / np.sqrt(squares)


def test_one_level_follows_the_published_equations():
    rng = np.random.default_rng(0)
    residual = unit_length(rng.standard_normal((5, 6)).astype(np.float32))
    capsules = {
        "bias": 0.6 * rng.standard_normal((4, 6)),
        "down": rng.standard_normal((2, 6)),
        "up": 0.3 * rng.standard_normal((6, 2)),
        "sharpness": np.array(np.log(3.0)),
    }
    tensors = {name: torch.from_numpy(np.asarray(array, dtype=np.float32)) for name, array in capsules.items()}
    routed = route(torch.from_numpy(residual), tensors, 3)
    for row, r in enumerate(residual.astype(np.float64)):
        matrix = np.eye(6) + capsules["up"] @ capsules["down"]
        votes = np.array([matrix @ r + bias for bias in capsules["bias"]])
        agreement = np.zeros(4)
        for _ in range(3):
            weights = np.exp(agreement - agreement.max())
            weights /= weights.sum()
            agreed = squash(weights @ votes)
            agreement = agreement + 3.0 * votes @ agreed
        left = r - sum(weight * squash(vote) for weight, vote in zip(weights, votes, strict=True))
        np.testing.assert_allclose(routed.weights[row], weights, atol=1e-5)
        np.testing.assert_allclose(routed.residual[row], left, atol=1e-5)
        assert float(routed.confidence[row]) == pytest.approx(weights.max() * np.linalg.norm(agreed), abs=1e-5)


@settings(max_examples=6, deadline=None)
@given(st.integers(2, 120), st.sampled_from([0.0, 0.05, 1.0]), st.floats(0.05, 0.9), st.integers(0, 1000))
def test_paths_have_one_to_six_tokens_and_then_only_terminal_codes(items, noise, confidence, seed):
    vectors = clustered(items, 5, 6, noise, seed)
    if (vectors == vectors[0]).all():
        return
    quantizer = CapsID(CapsIDConfig(items_per_code=8, rank=2, epochs=1, stop_confidence=confidence))
    paths = quantizer.fit(vectors)
    terminal = np.array(quantizer.code_sizes) - 1
    assert paths.shape == (items, 6)
    ended = paths == terminal
    assert not ended[:, 0].any()
    assert (np.diff(ended.astype(int), axis=1) >= 0).all()
    assert (quantizer.lengths(paths) == 6 - ended.sum(axis=1)).all()


def test_the_two_rules_end_paths():
    vectors = clustered(200)

    def lengths(**rules):
        quantizer = CapsID(CapsIDConfig(codes=8, rank=4, epochs=2, **rules))
        return quantizer.lengths(quantizer.fit(vectors))

    never = {"stop_confidence": 1.0, "stop_residual": 0.0}
    assert (lengths(**never) == 6).all()
    assert (lengths(**never | {"stop_confidence": 0.0}) == 1).all()
    assert (lengths(**never | {"stop_residual": 2.0}) == 1).all()
    usual = lengths(**never | {"stop_residual": 0.2})
    assert 1 < usual.mean() < 6


def test_a_price_on_length_makes_paths_shorter():
    vectors = clustered(100)
    means = []
    for price in (0.0, 2.0):
        quantizer = CapsID(CapsIDConfig(codes=4, rank=4, epochs=10, batch=50, learning_rate=0.01, length_weight=price))
        means.append(quantizer.lengths(quantizer.fit(vectors)).mean())
    assert means[1] < means[0]


def test_training_makes_the_codes_say_more():
    vectors = clustered(200)
    errors = []
    for epochs, spread in ((1, 0.0), (20, 0.05)):
        config = CapsIDConfig(levels=2, codes=8, epochs=epochs, batch=64, learning_rate=3e-3, spread_weight=spread)
        tokenizer = make_tokenizer(SidConfig(layout="pure", quantizer="capsid", capsid=config))
        tokenizer.fit(vectors)
        errors.append(tokenizer.quality().reconstruction_error)
    assert errors[1] < errors[0]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.data())
def test_candidates_against_all_paths(levels, codes, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    lengths = rng.integers(1, levels + 1, 4)
    logs = np.log(rng.dirichlet(np.ones(codes), (4, levels))).astype(np.float32)
    everything = [path for n in range(1, levels + 1) for path in itertools.product(range(codes), repeat=n)]
    count = data.draw(st.integers(1, len(everything)))
    paths, scores = _independent_beam(logs, lengths, count)
    for row in range(4):
        cost = {}
        for path in everything:
            off = abs(len(path) - int(lengths[row]))
            within = path[: lengths[row]]
            beyond = path[lengths[row] :]
            spent = -sum(float(logs[row, at, code]) for at, code in enumerate(within))
            spent -= sum(float(logs[row, lengths[row] + at, code]) for at, code in enumerate(beyond))
            cost[path + (codes,) * (levels - len(path))] = spent + 1000 * off
        best = sorted(cost.values())[:count]
        np.testing.assert_allclose(-scores[row], best, rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose([cost[tuple(path)] for path in paths[row].tolist()], best, rtol=1e-5, atol=1e-3)
        assert len({tuple(path) for path in paths[row].tolist()}) == count


def test_principal_components_keep_most_of_the_vectors():
    vectors = clustered(200, 10) * np.array([9, 8, 7] + [0.1] * 7, dtype=np.float32)
    kept = principal_components(vectors, 3)
    np.testing.assert_allclose(kept.T @ kept, np.eye(3), atol=1e-5)
    assert float(((vectors @ kept) ** 2).sum()) > 0.99 * float((vectors**2).sum())
    assert (principal_components(vectors, 10) == np.eye(10)).all()


def test_narrowed_vectors_are_encoded_and_loaded_alike():
    vectors = clustered(120)
    quantizer = CapsID(SMALL.model_copy(update={"width": 6}))
    paths = quantizer.fit(vectors)
    assert quantizer.capsules[0]["bias"].shape[1] == 6
    again = CapsID.from_arrays(quantizer.config, quantizer.arrays())
    assert (again.encode(vectors) == paths).all()
