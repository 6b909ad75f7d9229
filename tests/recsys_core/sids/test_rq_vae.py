"""RQ-VAE: the contract, that learning helps, and that codes don't die."""

import itertools

import numpy as np
import torch

from recsys_core.sids import RQVAE, ResidualKMeans, ResidualKMeansConfig, RQVAEConfig, SidConfig
from recsys_core.sids.layouts import make_tokenizer
from tests.contracts.tokenizer import TokenizerContract, clustered

SMALL = RQVAEConfig(levels=3, items_per_code=16, latent=8, hidden=(16,), epochs=4, batch=128)


class TestRQVAEHybrid(TokenizerContract):
    examples = 8

    def make(self):
        config = SMALL.model_copy(update={"levels": 1})
        return make_tokenizer(SidConfig(layout="hybrid", quantizer="rq_vae", rq_vae=config))


class TestRQVAEPure(TokenizerContract):
    examples = 8

    def make(self):
        return make_tokenizer(SidConfig(layout="pure", quantizer="rq_vae", rq_vae=SMALL))


def curved(items=600, seed=0):
    """Points on a bent surface of two dimensions in twelve: ``float32[items, 12]``."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(-1, 1, (items, 2))
    bent = np.concatenate([place, place**2, place[:, :1] * place[:, 1:], np.sin(3 * place), np.cos(3 * place)], axis=1)
    return (bent @ rng.standard_normal((9, 12))).astype(np.float32)


def error(vectors, rebuilt):
    return float(((vectors - rebuilt) ** 2).sum() / ((vectors - vectors.mean(axis=0)) ** 2).sum())


def test_reconstruction_beats_one_level_of_k_means():
    vectors = curved()
    quantizer = RQVAE(RQVAEConfig(levels=3, codes=16, latent=8, hidden=(32,), epochs=40, batch=128))
    codes = quantizer.fit(vectors)
    plain = ResidualKMeans(ResidualKMeansConfig(levels=1, codes=16))
    one_level = error(vectors, plain.decode(plain.fit(vectors)))
    assert error(vectors, quantizer.reconstruct(codes)) < 0.7 * one_level
    from recsys_core.sids.codebooks import decoded

    assert error(vectors, decoded(codes, quantizer.codebooks)) < 0.7 * one_level


def test_training_lowers_the_decoders_error():
    vectors = curved()
    errors = []
    for epochs in (1, 25):
        quantizer = RQVAE(RQVAEConfig(levels=2, codes=16, latent=8, hidden=(32,), epochs=epochs, batch=128))
        errors.append(error(vectors, quantizer.reconstruct(quantizer.fit(vectors))))
    assert errors[1] < 0.5 * errors[0]


def test_all_codes_are_in_use_after_training():
    codes = RQVAE(RQVAEConfig(levels=2, codes=32, latent=8, hidden=(16,), epochs=20, batch=64)).fit(clustered(400))
    assert all(len(set(column.tolist())) >= 30 for column in codes.T)


def test_full_beam_is_exhaustive_in_the_latent():
    quantizer = RQVAE(RQVAEConfig(levels=2, codes=4, latent=4, hidden=(8,), epochs=3))
    quantizer.fit(clustered(60))
    new = clustered(7, seed=2)
    codes, scores = quantizer.candidates(new, 16)
    latent = quantizer._latent(new)
    first, second = quantizer.latent_codebooks
    for row in range(7):
        excess = {}
        for a, b in itertools.product(range(4), range(4)):
            one = ((latent[row] - first) ** 2).sum(axis=1)
            two = ((latent[row] - first[a] - second) ** 2).sum(axis=1)
            excess[a, b] = (one[a] - one.min()) + (two[b] - two.min())
        np.testing.assert_allclose(-scores[row], sorted(excess.values()), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose([excess[tuple(path)] for path in codes[row]], -scores[row], rtol=1e-3, atol=1e-4)


def test_the_length_of_the_vectors_doesnt_matter():
    vectors = clustered(200)
    small, large = RQVAE(SMALL), RQVAE(SMALL)
    assert (small.fit(vectors) == large.fit(vectors * np.float32(64.0))).all()


def test_the_callers_threads_and_random_numbers_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    threads = torch.get_num_threads()
    RQVAE(SMALL).fit(clustered(100))
    assert torch.equal(torch.rand(4), expected)
    assert torch.get_num_threads() == threads
