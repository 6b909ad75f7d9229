"""What is served from a real small release: valid, allowed, unique, complete, in order, whatever is asked."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_core.catalog.filters import Condition, ItemFilter
from recsys_core.errors import FilterError, ReleaseError, UnknownItemError
from recsys_core.generator.protocol import GenerateRequest, Task
from recsys_core.serving.recommender import Recommender

MODELS = ("sidra", "generator", "item_cf", "popularity")


def ids(result):
    return [item.item_id for item in result.items]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_answer_is_valid(tiny_recommender, data):
    catalogue = tiny_recommender.catalogue
    pick = st.lists(st.sampled_from(catalogue.ids), max_size=12)
    conditions = [
        Condition(field="genre", op="contains", value=data.draw(st.sampled_from(catalogue.fields["genre"].values))),
        Condition(field="year", op="range", value=[data.draw(st.integers(1940, 2020)), None]),
    ]
    request = GenerateRequest(
        task=data.draw(st.sampled_from(list(Task))),
        instruction=data.draw(st.sampled_from(["", "quiet comedies", "films from France", "¡algo! 🎬"])),
        history=data.draw(pick),
        filter=data.draw(st.sampled_from([None, ItemFilter(all_of=conditions), ItemFilter(any_of=conditions)])),
        exclude=data.draw(pick),
        anchors=data.draw(pick)[:3],
        avoid=data.draw(pick),
        k=data.draw(st.integers(1, 30)),
        beam=data.draw(st.integers(1, 40)),
    )
    model = data.draw(st.sampled_from(MODELS))
    result = tiny_recommender.recommend([request], model)[0]
    found = ids(result)
    mask = request.filter.mask(catalogue) if request.filter else np.ones(len(catalogue), bool)
    out = {*request.exclude, *request.history, *request.anchors, *request.avoid}
    allowed = {i for n, i in enumerate(catalogue.ids) if mask[n] and i not in out}
    assert len(found) == len(set(found)) <= request.k
    assert set(found) <= allowed
    assert result.allowed == len(allowed)
    assert result.exhausted == (len(allowed) < request.k)
    if not allowed:
        assert found == []
    if model == "sidra":
        assert len(found) == min(request.k, len(allowed)), "the served list is full whenever it can be"
    scores = [item.score for item in result.items]
    assert scores == sorted(scores, reverse=True)
    for item in result.items:
        assert item.sid == tiny_recommender.scorer.sids[catalogue.index(item.item_id)].tolist()
        assert item.log_probability <= 0


def test_a_batch_answers_like_single_requests(tiny_recommender):
    catalogue = tiny_recommender.catalogue
    requests = [
        GenerateRequest(history=catalogue.ids[n : n + n % 5], instruction="comedies" if n % 2 else "", k=5)
        for n in range(20)
    ]
    together = tiny_recommender.recommend(requests)
    alone = [tiny_recommender.recommend([r])[0] for r in requests]
    assert [ids(r) for r in together] == [ids(r) for r in alone]


def test_the_instruction_changes_the_result(tiny_recommender):
    catalogue = tiny_recommender.catalogue
    matrix, values = catalogue.tag_matrix("genre")
    history = catalogue.ids[:4]
    told, base = [], []
    for value in values:
        mask = matrix[:, values.index(value)]
        request = GenerateRequest(task=Task.category, instruction=f"{value} films", history=history, k=10)
        plain = request.model_copy(update={"instruction": "", "task": Task.for_you})
        for asked, collect in ((request, told), (plain, base)):
            result = tiny_recommender.recommend([asked])[0]
            collect.append(np.mean([mask[catalogue.index(i)] for i in ids(result)]))
    assert np.mean(told) > np.mean(base) + 0.15


def test_anchors_pull_and_dislikes_push(tiny_recommender):
    catalogue, vectors = tiny_recommender.catalogue, tiny_recommender.scorer.item_vectors
    gains, losses = [], []
    for index in range(0, 60, 6):
        likeness = vectors @ vectors[index]

        def near(request, likeness=likeness):
            result = tiny_recommender.recommend([request])[0]
            return np.mean([likeness[catalogue.index(i)] for i in ids(result)])

        plain = GenerateRequest(history=catalogue.ids[100:104], exclude=[catalogue.ids[index]])
        gains.append(near(plain.model_copy(update={"anchors": [catalogue.ids[index]]})) - near(plain))
        losses.append(near(plain.model_copy(update={"avoid": [catalogue.ids[index]]})) - near(plain))
    assert np.mean(gains) > 0.03
    assert np.mean(losses) < 0


def test_cold_start_and_unknown_people(tiny_recommender):
    result = tiny_recommender.recommend([GenerateRequest()])[0]
    assert result.cold_start
    assert len(result.items) == 10
    assert tiny_recommender.history("nobody-of-that-name") is None
    assert tiny_recommender.ratings("nobody-of-that-name") == {}
    known = tiny_recommender.log.users[0]
    assert tiny_recommender.history(known, limit=2) == tiny_recommender.history(known)[-2:]


def test_unknown_ids_and_fields_are_refused(tiny_recommender):
    with pytest.raises(UnknownItemError, match="nope"):
        tiny_recommender.recommend([GenerateRequest(history=["nope"])])
    rule = ItemFilter(all_of=[Condition(field="colour", op="eq", value="red")])
    with pytest.raises(FilterError, match="genre"):
        tiny_recommender.recommend([GenerateRequest(filter=rule)])


def test_evidence_is_what_taking_an_item_away_costs(tiny_recommender):
    catalogue = tiny_recommender.catalogue
    history = tiny_recommender.history(tiny_recommender.log.users[3])
    request = GenerateRequest(history=history)
    item = ids(tiny_recommender.recommend([request])[0])[0]
    evidence = tiny_recommender.evidence(item, request)
    scorer = tiny_recommender.scorer
    whole = catalogue.indices(history)
    for cause in evidence.because_of:
        assert cause.item_id in history
        without = np.delete(whole, history.index(cause.item_id))
        scores, _, _ = scorer.score_item(catalogue.index(item), [whole, without], request.task, "")
        assert cause.drop == pytest.approx(float(scores[0] - scores[1]), abs=1e-3)
    assert [c.drop for c in evidence.because_of] == sorted((c.drop for c in evidence.because_of), reverse=True)
    genre = catalogue.get(item).attributes["genre"][0]
    told = request.model_copy(update={"instruction": f"some {genre.lower()} films"})
    assert genre in tiny_recommender.evidence(item, told).matched_attributes["genre"]


def test_search_and_similar(tiny_recommender):
    catalogue = tiny_recommender.catalogue
    title = catalogue.titles[5]
    assert catalogue.ids[5] in [h.item_id for h in tiny_recommender.search(title, k=5)]
    similar = tiny_recommender.similar(catalogue.ids[5], k=4)
    assert len(similar) == 4
    assert catalogue.ids[5] not in [h.item_id for h in similar]


def test_threads_share_a_recommender(tiny_recommender):
    requests = [GenerateRequest(history=tiny_recommender.catalogue.ids[n : n + 3], k=5) for n in range(12)]
    expected = [ids(tiny_recommender.recommend([r])[0]) for r in requests]
    wrong = []

    def ask(number):
        for _ in range(5):
            if ids(tiny_recommender.recommend([requests[number]])[0]) != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("part", ["sids.npy", "serving.json", "generator/model.safetensors", "item_cf.npz"])
def test_a_damaged_part_is_named(tiny_release, tmp_path, part):
    import shutil

    from recsys_core.errors import SidraError
    from recsys_core.releases.release import Release

    shutil.copytree(tiny_release.path, tmp_path / "release")
    (tmp_path / "release" / part).write_bytes(b"damaged")
    with pytest.raises(SidraError, match="sidra build"):
        Recommender.open(Release(tmp_path / "release"))


def test_a_release_of_another_schema_is_refused(tiny_release, tmp_path):
    import shutil

    from recsys_core.releases.release import Release

    shutil.copytree(tiny_release.path, tmp_path / "release")
    manifest = json.loads((tmp_path / "release" / "manifest.json").read_text())
    manifest["schema_version"] = 999
    (tmp_path / "release" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ReleaseError, match="sidra build"):
        Release(tmp_path / "release")
