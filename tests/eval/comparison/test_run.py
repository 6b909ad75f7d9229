"""The whole comparison on a tiny imported data set, without building a release."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eval.comparison.contenders import Contenders
from eval.comparison.run import ComparisonDetail, compare, seeded
from recsys_core.baselines.sasrec.config import SasRecConfig
from recsys_core.errors import ConfigError, DataError
from recsys_core.metrics import bootstrap_paired
from recsys_core.releases.build import BuildConfig
from tests.eval.comparison.tiny import import_tiny, log_of

MODELS = ("popularity", "item_cf", "sasrec_item_cf")


@pytest.fixture(scope="module", autouse=True)
def quick_sasrec():
    patch = pytest.MonkeyPatch()
    patch.setattr(SasRecConfig, "for_size", classmethod(lambda cls, *_: cls(width=8, window=10, epochs=1)))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    import_tiny(folder)
    return folder


@pytest.fixture(scope="module")
def report(home):
    return compare("tiny", home, models=MODELS, threads=1, command="sidra eval offline --dataset tiny")


def told(report):
    """Figures without what a clock says."""
    return {name: value for name, value in report.figures.items() if not name.startswith("cpu_seconds.")}


def test_every_row_is_there_in_the_order_asked_for(report):
    detail = ComparisonDetail.model_validate(report.detail)
    assert tuple(e.model for e in detail.entries) == MODELS
    assert {len(e.ranks) for e in detail.entries} == {detail.users}
    assert report.figures["recall@10.item_cf"] == detail.entries[1].measures["recall@10"].value
    assert report.context.command == "sidra eval offline --dataset tiny"


def test_differences_are_paired_on_the_users_of_the_first_row(report):
    detail = ComparisonDetail.model_validate(report.detail)
    first, other = detail.entries[0].per_user(), detail.entries[1].per_user()
    expected = bootstrap_paired(first["recall@10"], other["recall@10"], seed=0, resamples=2_000)
    assert detail.differences["recall@10.popularity-item_cf"] == expected
    assert report.figures["recall@10.popularity-item_cf.lo"] == expected.low


def test_a_mix_tells_its_weights_and_counts_the_cost_of_its_parts(report):
    mixed = ComparisonDetail.model_validate(report.detail).entries[2]
    assert mixed.settings["sasrec"] + mixed.settings["item_cf"] == pytest.approx(1)
    assert isinstance(mixed.settings["geometric"], bool)
    assert 0 <= mixed.validation["ndcg@10"] <= 1
    assert mixed.seconds >= 0


def test_a_second_call_fits_nothing_and_says_the_same(home, report, monkeypatch):
    monkeypatch.setattr(Contenders, "fitted", lambda self, name: pytest.fail(f"{name} is fitted again"))
    again = compare("tiny", home, models=MODELS, threads=1)
    assert again.figures == report.figures


def test_the_same_seed_gives_the_same_figures_in_another_place(tmp_path, report):
    import_tiny(tmp_path)
    assert told(compare("tiny", tmp_path, models=MODELS, threads=1)) == told(report)


def test_rows_of_another_seed_or_damaged_ones_are_not_taken_up(home, report, monkeypatch):
    fitted = []
    real = Contenders.baseline

    def watched(self, name):
        fitted.append(name)
        return real(self, name)

    monkeypatch.setattr(Contenders, "baseline", watched)
    compare("tiny", home, models=("popularity",), threads=1, seed=1)
    assert fitted == ["popularity"]
    for file in (home / "comparison" / "tiny" / "rows").glob("*/popularity.json"):
        file.write_text('{"model": "popul', encoding="utf-8")
    again = compare("tiny", home, models=("popularity", "item_cf"), threads=1)
    assert fitted == ["popularity", "popularity"]
    assert again.figures["recall@10.popularity"] == report.figures["recall@10.popularity"]


def test_rows_of_another_log_of_the_same_name_are_not_taken_up(tmp_path):
    import_tiny(tmp_path)
    first = compare("tiny", tmp_path, models=("popularity",), threads=1)
    import_tiny(tmp_path, log_of([[1, 2, 3], [1, 2, 4], [2, 1, 3]], 40))
    second = compare("tiny", tmp_path, models=("popularity",), threads=1)
    assert first.figures["users"] > 3
    assert second.figures["users"] == 3


@pytest.mark.parametrize("models", [(), ("popularity", "magic")])
def test_an_unknown_model_or_none_is_refused_with_the_names_there_are(home, models):
    with pytest.raises(ConfigError, match="item_cf"):
        compare("tiny", home, models=models)


def test_an_unknown_data_set_is_refused(home):
    with pytest.raises(DataError, match="sidra import"):
        compare("nothing", home, models=("popularity",))


def test_a_research_set_without_a_data_folder_is_refused(home, monkeypatch):
    monkeypatch.delenv("SIDRA_DATA_DIR", raising=False)
    with pytest.raises(ConfigError, match="SIDRA_DATA_DIR"):
        compare("beauty", home, models=("popularity",))


def test_variants_need_the_row_they_are_held_against(home):
    with pytest.raises(ConfigError, match="generator"):
        compare("tiny", home, models=("popularity",), ablations=["pure_sids"])
    with pytest.raises(ConfigError, match="no variant 'purest'"):
        compare("tiny", home, models=("generator",), ablations=["purest"])


def test_the_report_is_one_json_object_without_folders(report, home):
    text = report.to_json()
    assert json.loads(text)["figures"]["users"] > 0
    assert str(home) not in text


def test_the_recipe_is_filled_in_by_size_and_what_was_given_is_kept(home):
    from eval.comparison.bench import Bench
    from recsys_core.encoders.text import TextEncoderConfig
    from recsys_core.generator.config import CompactConfig, TrainConfig

    bench = Bench.open("tiny", home, None, TextEncoderConfig())
    filled = seeded(BuildConfig(), bench, seed=5, threads=1)
    assert filled.model is not None
    assert filled.train is not None
    assert (filled.train.seed, filled.train.threads) == (5, 1)
    own = BuildConfig(model=CompactConfig(width=16), train=TrainConfig(epochs=3))
    kept = seeded(own, bench, seed=5)
    assert (kept.model.width, kept.train.epochs, kept.train.seed) == (16, 3, 5)


def test_ranks_are_small_integers(report):
    detail = ComparisonDetail.model_validate(report.detail)
    assert all(0 <= rank <= 10 for e in detail.entries for rank in e.ranks)
    assert np.isfinite([v for n, v in report.figures.items() if n.startswith(("recall", "ndcg"))]).all()
