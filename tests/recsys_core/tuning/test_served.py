"""Plans are served, and what the tuner measures is what serving does."""

import numpy as np
import pytest

from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.ranking.diversity import diversified
from recsys_core.releases.release import Release
from recsys_core.releases.store import ReleaseStore
from recsys_core.serving.graph import Graph
from recsys_core.serving.plan import ServingPlan, plan_path
from recsys_core.serving.recommender import Recommender
from recsys_core.serving.vector_store import ChromaStore
from recsys_core.tuning.cache import Cache
from recsys_core.tuning.history import History
from recsys_core.tuning.prices import Timed, fit_prices
from recsys_core.tuning.score import Gates, judge
from recsys_core.tuning.served_system import ServedSource
from recsys_core.tuning.session import TestOnce, choose, in_place
from recsys_core.tuning.workload import WorkloadConfig


@pytest.fixture(scope="module")
def system(tiny_release, tmp_path_factory):
    import recsys_core.tuning.served_system as module

    calibrated, module.CALIBRATED = module.CALIBRATED, 6
    scratch = tmp_path_factory.mktemp("scratch")
    try:
        return ServedSource(tiny_release.path, scratch, WorkloadConfig(queries=60), fixed=(("over_fetch", 1.0),)).open()
    finally:
        module.CALIBRATED = calibrated


def lists(recommender, requests):
    return [[item.item_id for item in result.items] for result in recommender.recommend(requests)]


def test_the_reference_answers_as_the_release_does(system, tiny_recommender):
    split = system._of("tune")
    measured = system.measure(system.space.reference, "tune")
    ranks = [
        items.index(tiny_recommender.catalogue.ids[target]) + 1
        if tiny_recommender.catalogue.ids[target] in items
        else 0
        for items, target in zip(lists(tiny_recommender, split.requests), split.targets, strict=True)
    ]
    expected = [0.0 if not rank else 1 / np.log2(rank + 1) for rank in ranks]
    assert measured.quality["recommend"] == pytest.approx(expected)
    assert measured.quality["search"] == pytest.approx([1.0] * len(split.texts))
    assert measured.errors == 0
    again = system.measure(system.space.reference, "tune")
    assert (again.work, again.cost_us, again.answers) == (measured.work, measured.cost_us, measured.answers)


def test_work_follows_the_knobs(system):
    def work(**changes):
        return system.measure(system.space.completed(changes), "tune").work

    base = work()
    assert work(beam=6)["prefixes"] < base["prefixes"]
    assert work(history=5)["positions"] < base["positions"]
    assert work(item_head_scale=0.0).get("head_items", 0) == 0
    assert work(batch=1)["calls"] > base["calls"]
    assert work(diversity=0.2, depth=20)["reranked"] > 0
    near, far = (work(engine="chroma", max_neighbors=4, ef_search=ef)["graph_distances"] for ef in (16, 256))
    assert near < far
    # reranking nothing, however deep, is the same system
    assert (
        system.measure(system.space.completed({"depth": 50}), "tune").answers
        == system.measure(system.space.reference, "tune").answers
    )


def test_a_plan_in_the_release_is_served_and_a_damaged_one_is_named(tiny_release, tiny_recommender, tmp_path):
    import shutil

    folder = tmp_path / "home" / "releases" / tiny_release.id
    shutil.copytree(tiny_release.path, folder)
    release = Release(folder)
    plan = ServingPlan(beam=3, history=4, diversity=0.3, depth=30, candidates=100)
    plan_path(release).write_text(plan.model_dump_json(), encoding="utf-8")
    opened = Recommender.open(release)
    user = tiny_recommender.log.users[0]
    request = GenerateRequest(history=tiny_recommender.history(str(user)) or [])
    assert opened.recommend([request])[0].beam == 3
    assert opened.recommend([request.model_copy(update={"beam": 7})])[0].beam == 7
    assert Recommender.open(release, plan=ServingPlan()).recommend([request])[0].beam == 20
    history = set(request.history)
    assert not history & set(lists(opened, [request])[0])
    plan_path(release).write_text('{"beam": 0}', encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"plan\.json can't be read"):
        Recommender.open(release)


def test_chroma_ignores_a_live_change_and_a_plan_reloads(tiny_recommender, tmp_path):
    """What ``modify`` stores isn't searched with until the collection is opened anew."""
    catalogue = tiny_recommender.catalogue
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(catalogue), 64)).astype(np.float32)
    queries = rng.normal(size=(30, 64)).astype(np.float32)
    low = Graph(max_neighbors=2, ef_construction=4, ef_search=10)
    store = ChromaStore(catalogue, tmp_path / "c", low)
    store.add(catalogue.ids, vectors)

    def found():
        return [[item for item, _ in store.search(query, 5)] for query in queries]

    before = found()
    store._collection.modify(configuration={"hnsw": {"ef_search": 400}})
    assert found() == before
    store.close()
    store = ChromaStore(catalogue, tmp_path / "c", low.model_copy(update={"ef_search": 400}))
    assert found() != before
    store.close()


def test_the_test_queries_are_used_once(system, tmp_path):
    cache = Cache(tmp_path / "m", system)
    once = TestOnce(tmp_path / "t", cache)
    first = system.space.completed({"batch": 64})
    verdict = once.judge("s", first, Gates())
    assert once.judge("s", first, Gates()) == verdict
    with pytest.raises(ConfigError, match="has used its test queries"):
        once.judge("s", system.space.completed({"batch": 16}), Gates())


def test_a_swapped_or_changed_release_is_told(tiny_release, tmp_path):
    import shutil

    home = tmp_path
    for name in ("a", "b"):
        shutil.copytree(tiny_release.path, home / "releases" / name)
        manifest = home / "releases" / name / "manifest.json"
        manifest.write_text(manifest.read_text().replace(tiny_release.id, name))
    store = ReleaseStore(home)
    store.use("a")
    told = in_place(store, store.open("a"), following=True)
    assert told() == ""
    store.use("b")
    assert told() == "release b took the place of a during the study; tune that one"


def test_unknown_knobs_and_empty_spaces_are_refused(system):
    with pytest.raises(ConfigError, match="unknown knob 'colour'"):
        system.space.fixed({"colour": 1})
    with pytest.raises(ConfigError, match="depth is at most candidates"):
        system.space.completed({"candidates": 20, "depth": 100})
    with pytest.raises(ConfigError, match="beam 7 is none of"):
        system.space.completed({"beam": 7})


def test_prices_are_found_again_from_counts():
    rng = np.random.default_rng(0)
    true = {"calls": 500.0, "items": 2.0}
    timed = []
    for _ in range(12):
        work = {"calls": float(rng.integers(1, 9)), "items": float(rng.integers(10, 2000))}
        timed.append(Timed(work, sum(true[k] * v for k, v in work.items()) / 1e6))
    prices = fit_prices(timed)
    assert prices.us == pytest.approx(true, rel=1e-3)
    assert prices.error < 1e-3


def test_variety_takes_unlike_items_and_nothing_at_weight_0():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    ranked, scores = np.array([5, 6, 7]), np.array([3.0, 2.9, 2.0], dtype=np.float32)
    assert diversified(ranked, scores, vectors, 2, 0.0).tolist() == [5, 6]
    assert diversified(ranked, scores, vectors, 2, 0.6).tolist() == [5, 7]


def test_a_verdict_needs_the_bound_the_latency_and_the_answers(system, tmp_path):
    reference = system.measure(system.space.reference, "tune")
    gates = Gates(floor=0.9)
    assert judge(reference, reference, gates).score == 1.0
    late = reference.model_copy(update={"latency_ms": 1e6})
    assert judge(late, reference, gates).failed[0].startswith("latency")
    short = reference.model_copy(update={"errors": 0.5})
    assert judge(short, reference, gates).score == 0
    rng = np.random.default_rng(0)
    worse = {name: (np.array(v) * (rng.random(len(v)) < 0.92)).tolist() for name, v in reference.quality.items()}
    verdict = judge(reference.model_copy(update={"quality": worse}), reference, gates)
    assert verdict.score == 0
    assert verdict.lower < verdict.quality
    with pytest.raises(ReleaseError):
        choose(Cache(tmp_path, system), History(), gates)
