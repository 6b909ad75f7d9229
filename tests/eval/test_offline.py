"""The evaluation against a recommender whose right figures are known."""

import json
import math

import numpy as np
import pytest

from eval.offline import evaluate_offline, lorenz
from eval.report_html import render_html, write_html
from recsys_core.catalog.splits import leave_last_out
from recsys_core.errors import ConfigError, ReleaseError

MODELS = ("sidra", "item_cf", "popularity")


@pytest.fixture
def report(recommender):
    return evaluate_offline(
        recommender, MODELS, seed=1, resamples=200, instruction_pairs=40, command="sidra eval offline --seed 1"
    )


def test_figures_of_an_oracle_are_exact(report, recommender):
    split = leave_last_out(recommender.log)
    users = len(split.users)
    known = math.ceil(users / 2)  # the oracle knows the answer of every second user
    popular = recommender.scores["popularity"](None)
    ids = np.array(recommender.catalogue.ids, dtype=object)
    hits, gains = 0, 0.0
    for row, user in enumerate(split.users):
        history, target = set(split.test_history(user).tolist()), int(split.test_items[row])
        if row % 2 == 0 and target not in history:
            hits, gains = hits + 1, gains + 1
            continue
        ranked = sorted((i for i in range(len(ids)) if i not in history), key=lambda i: (-popular[i], i))[:10]
        ranked = sorted(ranked, key=lambda i: (-popular[i], ids[i]))
        if target in ranked:
            hits, gains = hits + 1, gains + 1 / math.log2(ranked.index(target) + 2)
    assert report.figures["recall@10.sidra"] == pytest.approx(hits / users)
    assert report.figures["ndcg@10.sidra"] == pytest.approx(gains / users)
    assert report.figures["recall@10.sidra"] >= known / users * 0.99
    assert report.figures["users"] == users
    assert report.figures["items"] == 160


def test_every_promised_figure_is_there_with_its_interval(report):
    for model in MODELS:
        for name in ("recall@5", "recall@10", "ndcg@5", "ndcg@10", "mrr", "coverage", "novelty", "diversity", "gini"):
            value, low, high = (report.figures[f"{name}.{model}{end}"] for end in ("", ".lo", ".hi"))
            assert low <= value <= high, (name, model)
    assert report.figures["recall@10.sidra-item_cf.lo"] > 0
    assert report.figures["recall@10.sidra-item_cf"] == pytest.approx(
        report.figures["recall@10.sidra"] - report.figures["recall@10.item_cf"]
    )


def test_a_model_that_scores_everything_alike_earns_about_chance(report, recommender):
    assert report.figures["recall@10.item_cf"] < 4 * 10 / len(recommender.catalogue)
    assert report.figures["gini.item_cf"] > report.figures["gini.sidra"]


def test_same_seed_same_figures_and_user_samples_are_nested_in_the_users(recommender):
    first = evaluate_offline(recommender, ("popularity",), seed=4, users=20, resamples=50, instruction_pairs=0)
    second = evaluate_offline(recommender, ("popularity",), seed=4, users=20, resamples=50, instruction_pairs=0)
    assert first.figures == second.figures
    assert first.figures["users"] == 20


def test_validation_uses_the_item_before_and_a_shorter_history(recommender):
    seen = []
    original = recommender.recommend
    recommender.recommend = lambda requests, model: seen.extend(requests) or original(requests, model)
    evaluate_offline(recommender, ("popularity",), split="validation", resamples=20, instruction_pairs=0)
    split = leave_last_out(recommender.log)
    assert [len(r.history) for r in seen] == [len(split.validation_history(u)) for u in split.users]
    assert all(r.exclude_history and not r.instruction for r in seen)


def test_histories_never_hold_the_target(recommender):
    split = leave_last_out(recommender.log)
    seen = []
    original = recommender.recommend
    recommender.recommend = lambda requests, model: seen.extend(requests) or original(requests, model)
    evaluate_offline(recommender, ("popularity",), resamples=20, instruction_pairs=0)
    for request, user, target in zip(seen, split.users, split.test_items, strict=True):
        history = recommender.catalogue.indices(request.history)
        assert history.tolist() == split.test_history(user).tolist()
        assert target not in history


def test_instruction_measure_follows_words_and_shows_the_base(report):
    figures = report.figures
    assert figures["instruction_match"] > 0.95  # the oracle obeys the words
    assert figures["instruction_match_base"] < 0.6
    assert 0 < figures["instruction_match_catalogue"] < 0.5
    assert (
        figures["instruction_match_base.lo"]
        <= figures["instruction_match_base"]
        <= figures["instruction_match_base.hi"]
    )
    instruction = report.offline.instruction
    assert instruction.field == "genre"
    assert sum(v.pairs for v in instruction.values) == 40


def test_instruction_measure_of_a_deaf_model_equals_its_base(recommender):
    recommender.scores["sidra"] = recommender.scores["popularity"]
    report = evaluate_offline(recommender, ("sidra",), resamples=20, instruction_pairs=40)
    assert report.figures["instruction_match"] == report.figures["instruction_match_base"]


@pytest.mark.parametrize("config", [{}, {"split": "random"}])
def test_a_release_that_may_have_seen_the_targets_is_refused(recommender, config):
    recommender.release.manifest.config = config
    with pytest.raises(ReleaseError, match="last two items"):
        evaluate_offline(recommender, ("popularity",))


def test_a_release_whose_counts_hold_the_held_out_items_is_refused(recommender):
    np.save(recommender.release.popularity, recommender.log.popularity())
    with pytest.raises(ReleaseError, match="may have seen"):
        evaluate_offline(recommender, ("popularity",))


@pytest.mark.parametrize("bad", [{"models": ()}, {"k": ()}, {"k": (0,)}, {"users": 0}, {"field": "year"}])
def test_settings_that_can_not_be_evaluated_are_refused(recommender, bad):
    with pytest.raises(ConfigError):
        evaluate_offline(recommender, **{"models": ("popularity",), "resamples": 10, **bad})


def test_report_is_one_json_object_and_survives_a_round_trip(report):
    loaded = json.loads(report.to_json())
    assert set(loaded) == {"figures", "context", "detail"}
    assert loaded["figures"]["recall@10.sidra"] == report.figures["recall@10.sidra"]
    assert loaded["context"]["command"] == "sidra eval offline --seed 1"
    assert loaded["context"]["release"] == "r-test"
    assert type(report).model_validate(loaded).offline == report.offline


def test_html_is_self_contained_and_escapes(report, recommender, tmp_path):
    hostile = report.model_copy(deep=True)
    hostile.context.command = "sidra eval <script>alert(1)</script>"
    page = render_html(hostile)
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<svg") == 10  # 3 + 4 bars, places, exposure, instruction
    for model in MODELS:
        assert f"<th>{model}</th>" in page
    assert f"{report.figures['recall@10.sidra']:.4f}" in page
    path = write_html(report, tmp_path / "deep" / "report.html")
    assert path.read_text(encoding="utf-8") == render_html(report)
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_lorenz_curve_known_answers():
    even = lorenz(np.full(50, 2), points=5)
    assert even == [(0.0, 0.0), (0.25, 0.25), (0.5, 0.5), (0.75, 0.75), (1.0, 1.0)]
    single = lorenz(np.array([0, 0, 0, 9]), points=5)
    assert single == [(0.0, 0.0), (0.25, 0.0), (0.5, 0.0), (0.75, 0.0), (1.0, 1.0)]
    assert lorenz(np.zeros(3, int), points=2) == [(0.0, 0.0), (1.0, 0.0)]
