"""Exact search, narrowed beams and joined calls as they are served, from a real small release."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.catalog.filters import Condition, ItemFilter
from recsys_core.errors import RequestError, UnknownItemError
from recsys_core.generator.protocol import GenerateRequest, Task
from recsys_core.generator.widths import BeamConfig
from recsys_core.serving.batching import BatchConfig

MODELS = ("sidra", "generator", "generator_sigma", "generator_top1")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_exact_is_what_a_beam_over_everything_gives(tiny_recommender, data):
    catalogue = tiny_recommender.catalogue
    assert len(catalogue) <= tiny_recommender.scorer.serving.pool
    pick = st.lists(st.sampled_from(catalogue.ids), max_size=12)
    rule = ItemFilter(all_of=[Condition(field="year", op="range", value=[data.draw(st.integers(1940, 2020)), None])])
    request = GenerateRequest(
        task=data.draw(st.sampled_from(list(Task))),
        instruction=data.draw(st.sampled_from(["", "quiet comedies"])),
        history=data.draw(pick),
        filter=data.draw(st.sampled_from([None, rule])),
        anchors=data.draw(pick)[:2],
        avoid=data.draw(pick)[:3],
        k=data.draw(st.integers(1, 25)),
        beam=1000,
    )
    model = data.draw(st.sampled_from(MODELS))
    wide = tiny_recommender.recommend([request], model)[0]
    exact = tiny_recommender.recommend([request.model_copy(update={"search": "exact"})], model)[0]
    assert [i.item_id for i in exact.items] == [i.item_id for i in wide.items]
    np.testing.assert_allclose([i.score for i in exact.items], [i.score for i in wide.items], atol=1e-4)
    np.testing.assert_allclose(
        [i.log_probability for i in exact.items], [i.log_probability for i in wide.items], atol=1e-4
    )
    assert (exact.beam, wide.beam, wide.expanded) == (None, 1000, None)
    assert exact.expanded is not None
    assert bool(exact.expanded) == bool(exact.allowed)


def test_beams_and_exact_searches_mix_in_a_batch(tiny_recommender):
    ids = tiny_recommender.catalogue.ids
    requests = [
        GenerateRequest(history=ids[n : n + 4], k=6, search="exact" if n % 2 else "beam", task=list(Task)[n % 7])
        for n in range(10)
    ]
    together = tiny_recommender.recommend(requests)
    for request, result in zip(requests, together, strict=True):
        alone = tiny_recommender.recommend([request])[0]
        assert [i.item_id for i in result.items] == [i.item_id for i in alone.items]
        assert result.expanded == alone.expanded
        assert (result.batch, alone.batch) == (10, 1)


def test_a_family_without_exact_search_says_so(tiny_recommender, monkeypatch):
    class BeamOnly:
        def __init__(self, family):
            self.encode, self.search = family.encode, family.search
            self.item_head, self.log_probabilities = family.item_head, family.log_probabilities

    monkeypatch.setattr(tiny_recommender.scorer, "family", BeamOnly(tiny_recommender.scorer.family))
    with pytest.raises(RequestError, match=r"search: .*BeamOnly.* no exact search"):
        tiny_recommender.recommend([GenerateRequest(search="exact")])


def test_a_beam_is_narrowed_under_load_and_the_answer_says_so(tiny_recommender, monkeypatch):
    monkeypatch.setattr(tiny_recommender.scorer, "beam", BeamConfig(calm=4, floor=3))
    prepared = [tiny_recommender._prepare(GenerateRequest(beam=20), "sidra")] * 2
    prepared.append(tiny_recommender._prepare(GenerateRequest(search="exact"), "sidra"))
    calm = tiny_recommender._answer(prepared, waiting=4)
    assert [(r.beam, r.notes) for r in calm] == [(20, []), (20, []), (None, [])]
    busy = tiny_recommender._answer(prepared, waiting=8)
    assert [r.beam for r in busy] == [10, 10, None]
    assert busy[0].notes == ["8 requests waited, so the beam was narrowed from 20 to 10"]
    assert busy[2].notes == []
    direct = tiny_recommender.recommend([GenerateRequest(beam=10)])[0]
    assert [i.item_id for i in busy[0].items] == [i.item_id for i in direct.items]


def test_joined_calls_answer_as_single_ones_and_keep_their_errors(tiny_recommender):
    joined = tiny_recommender.joined(BatchConfig(window_ms=20))
    ids = tiny_recommender.catalogue.ids
    models = ("sidra", "generator", "popularity")
    asked = [(GenerateRequest(history=ids[n : n + 3], k=5), models[n % 3]) for n in range(24)]
    asked[5] = (GenerateRequest(history=["nobody"]), "sidra")

    def one(pair):
        try:
            return joined.recommend([pair[0]], pair[1])[0]
        except UnknownItemError as error:
            return error

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(one, asked))
    assert isinstance(answers[5], UnknownItemError)
    for number, ((request, model), answer) in enumerate(zip(asked, answers, strict=True)):
        if number != 5:
            alone = tiny_recommender.recommend([request], model)[0]
            assert [i.item_id for i in answer.items] == [i.item_id for i in alone.items]
    assert max(a.batch for n, a in enumerate(answers) if n != 5) > 1
