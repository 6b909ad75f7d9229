"""One release, two families: chosen by name, named in the answers, told apart when one isn't there."""

from __future__ import annotations

import shutil
import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.catalog.filters import Condition, ItemFilter
from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.generator.protocol import GenerateRequest, Task
from recsys_core.releases.release import Release
from recsys_core.serving.families import Servers
from recsys_core.serving.recommender import Recommender


def ids(result):
    return [item.item_id for item in result.items]


def test_a_release_answers_by_the_family_asked_for_and_says_which(tiny_lm_recommender):
    compact = tiny_lm_recommender.with_generator("compact")
    requests = [GenerateRequest(history=tiny_lm_recommender.catalogue.ids[n : n + 4]) for n in range(12)]
    by_lm = tiny_lm_recommender.recommend(requests)
    by_compact = compact.recommend(requests)
    assert {r.generator for r in by_lm} == {"lm"}
    assert {r.generator for r in by_compact} == {"compact"}
    assert {r.release for r in by_lm} == {r.release for r in by_compact}
    for first, second in zip(by_lm, by_compact, strict=True):
        assert len(first.items) == len(second.items) == 10
    probabilities = [[r.items[0].log_probability for r in results] for results in (by_lm, by_compact)]
    assert np.abs(np.subtract(*probabilities)).max() > 1e-2, "two models, not one under two names"


def test_each_family_has_a_mix_of_its_own(tiny_lm_release, tiny_lm_recommender):
    compact = tiny_lm_recommender.with_generator("compact")
    assert tiny_lm_recommender.scorer.serving.mixes.keys() == compact.scorer.serving.mixes.keys()
    assert tiny_lm_recommender.scorer.serving.measured != compact.scorer.serving.measured
    assert tiny_lm_release.serving_lm.read_bytes() != tiny_lm_release.serving.read_bytes()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_answer_of_the_language_model_is_valid(tiny_lm_recommender, data):
    catalogue = tiny_lm_recommender.catalogue
    pick = st.lists(st.sampled_from(catalogue.ids), max_size=12)
    comedies = ItemFilter(all_of=[Condition(field="genre", op="contains", value="Comedy")])
    request = GenerateRequest(
        task=data.draw(st.sampled_from(list(Task))),
        instruction=data.draw(st.sampled_from(["", "quiet comedies", "films from France", "¡algo! 🎬 <|i_5|>"])),
        history=data.draw(pick),
        filter=data.draw(st.sampled_from([None, comedies])),
        exclude=data.draw(pick),
        anchors=data.draw(pick)[:3],
        avoid=data.draw(pick),
        k=data.draw(st.integers(1, 30)),
        beam=data.draw(st.integers(1, 40)),
    )
    result = tiny_lm_recommender.recommend([request], data.draw(st.sampled_from(["sidra", "generator"])))[0]
    mask = request.filter.mask(catalogue) if request.filter else np.ones(len(catalogue), bool)
    out = {*request.exclude, *request.history, *request.anchors, *request.avoid}
    allowed = {i for n, i in enumerate(catalogue.ids) if mask[n] and i not in out}
    found = ids(result)
    assert len(found) == len(set(found)) <= request.k
    assert set(found) <= allowed
    assert (result.allowed, result.exhausted) == (len(allowed), len(allowed) < request.k)
    assert all(item.log_probability <= 0 for item in result.items)


def test_words_guide_the_ranking_of_either_family(tiny_lm_recommender):
    catalogue = tiny_lm_recommender.catalogue
    matrix, values = catalogue.tag_matrix("genre")
    for recommender in (tiny_lm_recommender, tiny_lm_recommender.with_generator("compact")):
        told, base = [], []
        for value in values:
            plain = GenerateRequest(history=catalogue.ids[:4])
            asked = plain.model_copy(update={"instruction": f"{value} films", "task": Task.category})
            for request, collect in ((asked, told), (plain, base)):
                items = catalogue.indices(ids(recommender.recommend([request])[0]))
                collect.append(matrix[items, values.index(value)].mean())
        assert np.mean(told) > np.mean(base) + 0.1


def test_reasons_come_from_the_family_that_ranked(tiny_lm_recommender):
    history = tiny_lm_recommender.history(tiny_lm_recommender.log.users[3])
    request = GenerateRequest(history=history, instruction="drama")
    item = ids(tiny_lm_recommender.recommend([request])[0])[0]
    evidence = tiny_lm_recommender.evidence(item, request)
    assert all(cause.item_id in history for cause in evidence.because_of)
    other = tiny_lm_recommender.with_generator("compact").evidence(item, request)
    assert evidence.instruction_gain != other.instruction_gain


def test_reasons_that_another_engine_measured_say_so(tiny_lm_release, tiny_lm_recommender):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    history = tiny_lm_recommender.history(tiny_lm_recommender.log.users[3])
    request = GenerateRequest(history=history, instruction="drama")
    item = ids(tiny_lm_recommender.recommend([request])[0])[0]
    served = Recommender.open(tiny_lm_release, generator="vllm", servers=Servers((nobody,)))
    evidence = served.evidence(item, request)
    served.close()
    here = tiny_lm_recommender.evidence(item, request)
    assert evidence.because_of == here.because_of
    assert "the same model answered in process" in evidence.degraded_reason
    assert here.degraded_reason == ""


def test_a_release_without_a_language_model_says_how_to_come_by_one(tiny_release, tiny_recommender):
    with pytest.raises(ReleaseError, match=r"sidra build --with-lm.*SIDRA_GENERATOR"):
        Recommender.open(tiny_release, generator="lm")
    with pytest.raises(ReleaseError, match="sidra build --with-lm"):
        tiny_recommender.with_generator("lm")


def test_a_family_that_nobody_knows_is_refused(tiny_release):
    with pytest.raises(ConfigError, match="compact"):
        Recommender.open(tiny_release, generator="gru")


@pytest.mark.parametrize("part", ["lm/model.safetensors", "lm/sidra_lm.json", "serving_lm.json", "lm/tokenizer.json"])
def test_a_damaged_language_model_is_named(tiny_lm_release, tmp_path, part):
    shutil.copytree(tiny_lm_release.path, tmp_path / "release")
    (tmp_path / "release" / part).write_bytes(b"damaged")
    with pytest.raises(ReleaseError, match="sidra build"):
        Recommender.open(Release(tmp_path / "release"), generator="lm")
    # what serves compact doesn't touch it
    Recommender.open(Release(tmp_path / "release")).close()
