"""Both plug-ins, under the runners' own protocols with the runners made up: rows keep their rules as they move."""

from __future__ import annotations

import importlib
import json
import sys
from collections import namedtuple
from enum import Enum, auto
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from recsys_core.generator.vllm import served as served_module
from recsys_core.generator.vllm.masking import constrain_
from recsys_core.generator.vllm.rule import ARGUMENT, pack_items
from tests.recsys_core.generator.vllm.worlds import LAYOUTS, NAME, served

Direction = Enum("Direction", {"UNIDIRECTIONAL": auto(), "SWAP": auto()})
Update = namedtuple("Update", "batch_size removed added moved")


@pytest.fixture
def plugin(monkeypatch):
    """Loads a plug-in where `vllm` is nothing but the base class it inherits."""

    def load(name, base_module, layout):
        parts = base_module.split(".")
        for depth in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:depth]), ModuleType(parts[depth - 1]))
        sys.modules[base_module].LogitsProcessor = object
        full = f"recsys_core.generator.vllm.{name}"
        monkeypatch.delitem(sys.modules, full, raising=False)
        loaded = importlib.import_module(full)
        monkeypatch.delitem(sys.modules, full)
        monkeypatch.setattr(loaded, "served_release", lambda: served(layout))
        monkeypatch.setattr(served_module, "served_release", lambda: served(layout))
        return loaded.SidRules

    return load


def parameters(rule=None, max_tokens=1):
    return SimpleNamespace(extra_args=None if rule is None else {ARGUMENT: rule}, max_tokens=max_tokens)


def rule_of(rng):
    excluded = pack_items(np.flatnonzero(rng.random(60) < 0.5))
    return json.dumps({"release": NAME, "excluded": excluded, "probabilities": "catalogue"})


def sequence(release, rng):
    """A prompt and the first codes of some answer, cut in two anywhere: a request that has come some way."""
    path = (release.index.leaf_sids()[rng.integers(60)] + _first(release)).tolist()
    prefix = path[: rng.integers(len(path))]
    prompt = release.layout.prompt([7], rng.integers(0, 60, rng.integers(0, 5)))
    cut = int(rng.integers(len(prefix) + 1))
    return prompt + prefix[:cut], prefix[cut:]


def _first(release):
    return np.array([release.layout.first(level) for level in range(release.index.levels)])


def expected(release, logits, requests):
    """Row by row, without a plug-in: (rule or None, prompt, output) a row."""
    wanted = logits.clone()
    levels = release.index.levels
    for row, (rule, prompt, output) in enumerate(requests):
        if rule is not None:
            tail = ([-1] * levels + prompt + output)[-levels:]
            constrain_(wanted, [row], np.array([tail]), [release.rule(rule)], release)
    return wanted


@pytest.mark.parametrize("layout", LAYOUTS)
def test_v1_follows_requests_that_come_go_and_change_places(plugin, layout):
    release, rng = served(layout), np.random.default_rng(1)
    processor = plugin("plugin_v1", "vllm.v1.sample.logits_processor", layout)(None, None, False)
    assert not processor.is_argmax_invariant()
    batch: list = []
    for _ in range(60):
        removed, added, moved = [], [], []
        if batch and rng.random() < 0.5:
            # a request ends: the last one takes its row
            row = int(rng.integers(len(batch)))
            removed.append(row)
            last = batch.pop()
            if row < len(batch):
                batch[row] = last
                moved.append((len(batch), row, Direction.UNIDIRECTIONAL))
        for _ in range(rng.integers(0, 3)):
            rule = rule_of(rng) if rng.random() < 0.7 else None
            prompt, output = sequence(release, rng)
            added.append((len(batch), parameters(rule), prompt, output))
            batch.append((rule, prompt, output))
        # vLLM applies removals, then additions, then moves; here rows are moved first, so two updates are made of it
        processor.update_state(Update(len(batch), removed, [], moved))
        processor.update_state(Update(len(batch), [], added, []))
        if len(batch) > 1 and rng.random() < 0.5:
            one, two = rng.choice(len(batch), 2, replace=False).tolist()
            batch[one], batch[two] = batch[two], batch[one]
            processor.update_state(Update(len(batch), [], [], [(one, two, Direction.SWAP)]))
        if rng.random() < 0.2:
            processor.update_state(None)
        logits = torch.from_numpy(rng.normal(size=(len(batch), release.layout.size)).astype(np.float32))
        wanted = expected(release, logits, batch)
        found = processor.apply(logits)
        assert found is logits
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_v1_sees_tokens_that_come_later_and_a_row_taken_over_by_a_free_request(plugin):
    release, rng = served("pure"), np.random.default_rng(2)
    processor = plugin("plugin_v1", "vllm.v1.sample.logits_processor", "pure")(None, None, False)
    rule, output = rule_of(rng), []
    prompt = release.layout.prompt([], np.array([3]))
    processor.update_state(Update(1, [], [(0, parameters(rule), prompt, output)], []))
    for token in (release.index.leaf_sids()[4] + _first(release)).tolist():
        logits = torch.randn(1, release.layout.size)
        wanted = expected(release, logits, [(rule, prompt, output)])
        torch.testing.assert_close(processor.apply(logits), wanted)
        output.append(token)
    processor.update_state(Update(1, [], [(0, parameters(), prompt, [])], []))
    logits = torch.randn(1, release.layout.size)
    assert torch.equal(processor.apply(logits.clone()), logits)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_v2_follows_slots(plugin, layout):
    release, rng = served(layout), np.random.default_rng(3)
    slots, longest = 6, 40
    tokens = torch.zeros(slots, longest, dtype=torch.int32)
    states = SimpleNamespace(all_token_ids=SimpleNamespace(gpu=tokens))
    processor = plugin("plugin_v2", "vllm.v1.worker.gpu.sample.logits_processor", layout)(SimpleNamespace(), states)
    held: dict[int, tuple] = {}
    for _ in range(40):
        for slot in rng.choice(slots, rng.integers(1, slots), replace=False).tolist():
            rule = rule_of(rng) if rng.random() < 0.7 else None
            prompt, output = sequence(release, rng)
            tokens[slot] = int(rng.integers(release.layout.size))  # what the last occupant left behind
            tokens[slot, : len(prompt) + len(output)] = torch.tensor(prompt + output, dtype=torch.int32)
            # the newest token may still be on its way into the history
            tokens[slot, len(prompt) + len(output) - 1] = 0
            held[slot] = (rule, prompt, output)
            assert processor.add_request(slot, parameters(rule)) is (rule is not None)
        order = rng.permutation(sorted(held))
        sequences = [held[slot][1] + held[slot][2] for slot in order.tolist()]
        context = SimpleNamespace(
            idx_mapping_np=order,
            expanded_idx_mapping=torch.from_numpy(order.astype(np.int32)),
            input_ids=torch.tensor([own[-1] for own in sequences], dtype=torch.int32),
            pos=torch.tensor([len(own) - 1 for own in sequences]),
        )
        logits = torch.from_numpy(rng.normal(size=(len(order), release.layout.size)).astype(np.float32))
        wanted = expected(release, logits, [held[slot] for slot in order.tolist()])
        torch.testing.assert_close(processor.apply(logits, context), wanted, atol=1e-5, rtol=1e-5)


def test_v2_does_not_go_with_speculative_decoding(plugin):
    from recsys_core.errors import ConfigError

    made = plugin("plugin_v2", "vllm.v1.worker.gpu.sample.logits_processor", "hybrid")
    with pytest.raises(ConfigError, match="speculative"):
        made(SimpleNamespace(speculative_config=object()), None)


@pytest.mark.parametrize(
    ("name", "base"),
    [("plugin_v1", "vllm.v1.sample.logits_processor"), ("plugin_v2", "vllm.v1.worker.gpu.sample.logits_processor")],
)
def test_both_refuse_a_bad_rule_as_a_value_error(plugin, name, base):
    made = plugin(name, base, "hybrid")
    made.validate_params(parameters())
    made.validate_params(parameters(rule_of(np.random.default_rng(0))))
    red = {"all_of": [{"field": "colour", "op": "eq", "value": "red"}]}
    bad = parameters(json.dumps({"release": NAME, "filter": red}))
    with pytest.raises(ValueError, match="unknown field 'colour'"):
        made.validate_params(bad)
