"""The families that run in this process keep the contract of a family."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recsys_core.generator.trie import TrieTensors, all_log_probabilities
from tests.contracts.generator_family import GeneratorFamilyContract, Made
from tests.recsys_core.generator.lm.tiny import make_world
from tests.recsys_core.generator.small import make_small

LAYOUTS = ["hybrid", "pure"]


class TestCompact(GeneratorFamilyContract):
    @pytest.fixture(scope="class", params=LAYOUTS)
    def made(self, request):
        hybrid = request.param == "hybrid"
        generator = make_small(2, 40, hybrid=hybrid).generator
        trie = TrieTensors.from_index(generator.index, hybrid=hybrid)

        def oracle(histories, words):
            encoded = generator.encode(histories, words)
            with torch.no_grad():
                return all_log_probabilities(generator.model, trie, encoded.states, encoded.wish).numpy()

        return Made(generator, 40, oracle)


class TestLm(GeneratorFamilyContract):
    @pytest.fixture(scope="class", params=LAYOUTS)
    def made(self, request):
        world = make_world(request.param, noise=0.3)
        generator = world.generator()
        causal = generator.engine.causal

        def oracle(histories, words):
            rows = [
                world.vocabulary.layout.prompt(said, history)
                for said, history in zip(world.vocabulary.encode(words), histories, strict=True)
            ]
            return np.stack([_every_item(causal, world, row) for row in rows])

        return Made(generator, len(world.index), oracle)


def _every_item(causal, world, prompt):
    """Each item's whole sequence through the stock model: no cache, no beam, softmax over the children that exist."""
    layout, sids = world.vocabulary.layout, world.sids
    tokens = sids + np.array([layout.first(level) for level in range(layout.levels)])
    with torch.no_grad():
        states = causal(torch.tensor([[*prompt, *own] for own in tokens.tolist()])).logits.double()
    total = np.zeros(len(sids))
    for item, own in enumerate(sids.tolist()):
        for level in range(layout.levels):
            same = (sids[:, :level] == own[:level]).all(axis=1)
            children = sorted({int(t) for t in tokens[same, level]})
            logits = states[item, len(prompt) - 1 + level]
            total[item] += float(logits[int(tokens[item, level])] - torch.logsumexp(logits[children], 0))
    return total.astype(np.float32)
