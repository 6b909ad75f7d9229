"""Rules held against prefixes inside a server: what is open is what a plain walk over semantic IDs finds open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import ReleaseError
from recsys_core.generator.vllm.masking import constrain_
from recsys_core.generator.vllm.rule import ARGUMENT, pack_items
from recsys_core.generator.vllm.served import ServedRelease, check_request, served_release
from tests.recsys_core.generator.vllm.worlds import LAYOUTS, NAME, index_of, served, world

ITEMS = 60


def rule_json(**fields) -> str:
    return json.dumps({"release": NAME, **fields})


def paths(layout):
    """Every semantic ID as model tokens, with its item: the oracle's whole knowledge."""
    release, index = served(layout), index_of(layout)
    first = np.array([release.layout.first(level) for level in range(index.levels)])
    return (index.leaf_sids() + first).tolist(), index.leaf_item.tolist()


def oracle(layout, prefix, allowed):
    """Tokens that exist after a prefix, and those of them under which an allowed item lies."""
    found, opened = set(), set()
    for path, item in zip(*paths(layout), strict=True):
        if path[: len(prefix)] == list(prefix) and len(prefix) < len(path):
            found.add(path[len(prefix)])
            if allowed[item]:
                opened.add(path[len(prefix)])
    return found, opened


def tail(layout, prefix, history=(3, 17)):
    release = served(layout)
    prompt = [*release.layout.prompt([5, 6], np.array(history, dtype=np.int64)), *prefix]
    levels = release.index.levels
    return ([-1] * levels + prompt)[-levels:]


@pytest.mark.parametrize("layout", LAYOUTS)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.0, 0.03, 0.3, 1.0]))
@settings(max_examples=15, deadline=None)
def test_open_continuations_are_those_of_a_plain_walk(layout, seed, share):
    release, rng = served(layout), np.random.default_rng(seed)
    known, _ = paths(layout)
    prefixes, rules, masks = [], [], []
    for _ in range(8):
        path = known[rng.integers(len(known))]
        prefixes.append(path[: rng.integers(len(path))])
        masks.append(rng.random(ITEMS) < share)
        rules.append(release.rule(rule_json(excluded=pack_items(np.flatnonzero(~masks[-1])))))
    # two rows of one request share a rule
    rules[1], masks[1] = rules[0], masks[0]
    step = release.step(
        np.array([tail(layout, p, history=rng.integers(0, 60, rng.integers(0, 4))) for p in prefixes]), rules
    )
    for row, (prefix, mask) in enumerate(zip(prefixes, masks, strict=True)):
        found, opened = oracle(layout, prefix, mask)
        own = step.owner == row
        assert set(step.token[own].tolist()) == found
        assert set(step.token[own & step.opened].tolist()) == opened


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("probabilities", ["allowed", "catalogue"])
def test_log_probabilities_are_relative_to_what_the_rule_says(layout, probabilities):
    release, rng = served(layout), np.random.default_rng(3)
    known, _ = paths(layout)
    mask = rng.random(ITEMS) < 0.4
    rule = release.rule(rule_json(excluded=pack_items(np.flatnonzero(~mask)), probabilities=probabilities))
    prefixes = [path[:depth] for path in known[::7] for depth in range(len(path))]
    logits = torch.from_numpy(rng.normal(size=(len(prefixes) + 1, release.layout.size)).astype(np.float32) * 3)
    before = logits.clone()
    tails = np.array([tail(layout, p) for p in prefixes])
    constrain_(logits, list(range(1, len(prefixes) + 1)), tails, [rule] * len(prefixes), release)
    assert torch.equal(logits[0], before[0]), "a row without a rule is left alone"
    written = logits[1:].log_softmax(-1)
    for row, prefix in enumerate(prefixes):
        found, opened = (sorted(tokens) for tokens in oracle(layout, prefix, mask))
        expected = torch.full((release.layout.size,), -torch.inf)
        relative_to = found if probabilities == "catalogue" else opened
        if opened:
            expected[opened] = before[row + 1, opened] - before[row + 1, relative_to].logsumexp(0)
            closed = sorted(set(found) - set(opened))
            if probabilities == "catalogue" and closed:
                expected[release.layout.pad] = before[row + 1, closed].logsumexp(0) - before[row + 1, found].logsumexp(
                    0
                )
        else:
            expected[release.layout.pad if probabilities == "catalogue" else release.layout.end] = 0
        torch.testing.assert_close(written[row], expected, atol=1e-4, rtol=1e-5)


def test_the_item_head_is_one_softmax_over_items():
    release = served("hybrid")
    logits = torch.randn(2, release.layout.size)
    expected = (logits[:, release.layout.first_item :] * release.layout.item_head_factor).log_softmax(-1)
    rule = release.rule(rule_json(probabilities="items"))
    constrain_(logits, [0, 1], np.array([tail("hybrid", []), tail("hybrid", [], history=())]), [rule] * 2, release)
    torch.testing.assert_close(logits.log_softmax(-1)[:, release.layout.first_item :], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_answer_is_followed_by_the_end_and_a_prefix_that_does_not_exist_leads_nowhere(layout):
    release = served(layout)
    whole = paths(layout)[0][4]
    broken = [whole[0], release.layout.first(0) + release.layout.code_sizes[0] - 1, whole[0]][: release.index.levels]
    rule = release.rule(rule_json())
    logits = torch.randn(2, release.layout.size)
    constrain_(logits, [0, 1], np.array([tail(layout, whole), tail(layout, broken)]), [rule] * 2, release)
    assert logits.argmax(-1).tolist() == [release.layout.end] * 2
    assert torch.isfinite(logits).sum(-1).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "sidra_rule: rule: Invalid JSON"),
        (rule_json(colour="red"), "sidra_rule: colour: Extra inputs are not permitted; a rule has the fields release"),
        ("{}", "sidra_rule: release: Field required"),
        (json.dumps({"release": "other"}), f"release: this server answers for release '{NAME}', not for 'other'"),
        (
            rule_json(filter={"all_of": [{"field": "colour", "op": "eq", "value": "red"}]}),
            "filter: unknown field 'colour'; allowed fields: country, family, genre",
        ),
        (rule_json(filter={"all_of": [{"field": "year", "op": "eq", "value": "old"}]}), "give a number"),
        (rule_json(filter={"every": []}), "filter.every: Extra inputs"),
        (rule_json(excluded="1;2"), "excluded: Value error, give item indices"),
        (rule_json(excluded="3,60"), "excluded: '60' isn't within the 60 items"),
        (rule_json(probabilities="raw"), "probabilities: Input should be 'allowed', 'catalogue' or 'items'"),
        ({"release": NAME}, "give the rule as a JSON string"),
    ],
)
def test_a_rule_that_can_not_be_kept_is_refused_by_field(text, said):
    with pytest.raises(ValueError, match=r"sidra_rule") as error:
        served("hybrid").check({ARGUMENT: text}, 1)
    assert said in str(error.value)


def test_other_refusals_and_free_requests():
    release = served("hybrid")
    release.check(None, 16)
    release.check({"something": "else"}, 16)
    release.check({ARGUMENT: rule_json()}, 3)
    with pytest.raises(ValueError, match="'sidra_filter'; the rule of a request is called 'sidra_rule'"):
        release.check({"sidra_filter": "{}"}, 1)
    with pytest.raises(ValueError, match="set max_tokens to 1, or probabilities to 'allowed'"):
        release.check({ARGUMENT: rule_json(probabilities="catalogue")}, 2)


def test_rules_used_lately_are_read_once_and_no_more_than_fit_are_kept(monkeypatch):
    release = ServedRelease(NAME, served("hybrid").layout, index_of("hybrid"), world("hybrid").catalogue)
    text = rule_json(excluded="3")
    assert release.rule(text) is release.rule(text)
    monkeypatch.setattr(release, "_kept", 8)
    for item in range(20):
        release.rule(rule_json(excluded=str(item)))
    assert len(release._rules) == 8


def test_parts_that_do_not_belong_together_are_refused():
    made = world("hybrid")
    with pytest.raises(ReleaseError, match="build it again"):
        ServedRelease(NAME, made.vocabulary.layout, index_of("pure"), made.catalogue)
    # the items' own tokens in another order
    swapped = made.sids.copy()
    swapped[[0, 1], -1] = swapped[[1, 0], -1]
    with pytest.raises(ReleaseError, match="run `sidra build` again"):
        ServedRelease(NAME, made.vocabulary.layout, ConstraintIndex.build(swapped), made.catalogue)


def test_a_server_without_a_release_says_so(monkeypatch):
    served_release.cache_clear()
    monkeypatch.delenv("SIDRA_SERVED_RELEASE", raising=False)
    with pytest.raises(ValueError, match="start the server with `sidra serve-generator`"):
        check_request({ARGUMENT: "{}"}, 1)


def test_the_plug_in_needs_nothing_that_its_environment_lacks():
    """In a server's environment there are numpy, pydantic and polars; what else Sidra uses may be missing there."""
    code = (
        "import sys, recsys_core.generator.vllm.served\n"
        "wrong = {'torch', 'transformers', 'tokenizers', 'scipy', 'sklearn', 'httpx', 'pyarrow', 'faiss'}\n"
        "print(sorted(wrong & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    root = str(Path(__file__).resolve().parents[4])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": root},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
