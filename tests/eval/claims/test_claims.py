"""Verdicts follow from intervals, and every claim can come out in all three ways."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import cli
from eval.claims import capsid, dream, sigma, tiger
from eval.claims.claim import CONFIRMED, CONTRADICTED, OPEN, verdict_of, weakest
from eval.claims.registry import CLAIMS, FALLBACK, check_names, needed
from eval.cold_items import ColdReport, ColdResult
from eval.comparison.ablations import ABLATIONS
from eval.comparison.run import ALL
from eval.figures import Report, make_context
from recsys_core.errors import ConfigError, DataError
from recsys_core.metrics import Interval
from tests.eval.comparison.tiny import detail_of, entry

GOOD, MIDDLING, BAD = [1] * 60 + [0] * 40, [0] * 30 + [1] * 60 + [0] * 10, [1] * 10 + [0] * 90
runner = CliRunner()


def rows(first, *others):
    """A comparison of the rows that a claim needs; GOOD against BAD is told apart, GOOD against MIDDLING is not."""
    return detail_of(entry(*first), *(entry(*other) for other in others))


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.02, 0.01, 0.03), CONFIRMED),
        ((-0.02, -0.03, -0.01), CONTRADICTED),
        ((0.02, -0.01, 0.05), OPEN),
        ((0.02, 0.0, 0.05), OPEN),
        ((-0.02, -0.05, 0.0), OPEN),
        ((0.0, 0.0, 0.0), OPEN),
    ],
)
def test_a_verdict_is_where_the_whole_interval_lies(interval, verdict):
    assert verdict_of(Interval(*interval)) == verdict


@pytest.mark.parametrize("broken", [(float("nan"),) * 3, (0.1, 0.2, 0.3), (0.1, float("nan"), 0.3)])
def test_what_is_no_interval_gets_no_verdict(broken):
    with pytest.raises(DataError):
        verdict_of(Interval(*broken))


def test_a_claim_is_as_strong_as_its_weakest_finding():
    assert weakest([CONFIRMED, CONFIRMED]) == CONFIRMED
    assert weakest([CONFIRMED, OPEN]) == OPEN
    assert weakest([CONFIRMED, OPEN, CONTRADICTED]) == CONTRADICTED


@pytest.mark.parametrize("claim", [tiger, capsid])
@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [(GOOD, BAD, CONFIRMED), (BAD, GOOD, CONTRADICTED), (GOOD, MIDDLING, OPEN), (GOOD, GOOD, OPEN)],
)
def test_a_row_against_its_baseline_in_all_three_ways(claim, first, second, verdict):
    ours, theirs = claim.ROWS
    result = claim.run(rows((ours, first), (theirs, second)))
    assert result.verdict == verdict
    assert [f.verdict for f in result.findings] == [verdict, verdict]
    assert result.baselines == [theirs]
    difference = (np.array(first) > 0).mean() - (np.array(second) > 0).mean()
    assert result.measured[f"recall@10.{ours}-{theirs}"].value == pytest.approx(difference)
    assert result.measured[f"recall@10.{ours}"].value == pytest.approx((np.array(first) > 0).mean())
    assert result.context.users == 100
    assert result.reason


@pytest.mark.parametrize(
    ("best_only", "fixed", "verdicts"),
    [
        (BAD, BAD, (CONFIRMED, CONFIRMED)),
        (BAD, MIDDLING, (CONFIRMED, OPEN)),
        (MIDDLING, BAD, (OPEN, CONFIRMED)),
    ],
)
def test_sigma_tells_its_two_statements_apart(best_only, fixed, verdicts):
    detail = rows(("generator_sigma", GOOD), ("generator_top1", best_only), ("generator_fixed", fixed))
    result = sigma.run(detail)
    found = {f.measure: f.verdict for f in result.findings}
    assert found["recall@10.generator_sigma-generator_top1"] == verdicts[0]
    assert found["ndcg@10.generator_sigma-generator_fixed"] == verdicts[1]
    assert result.verdict == weakest(verdicts)


def test_sigma_is_contradicted_where_a_fixed_sigma_is_better():
    result = sigma.run(rows(("generator_sigma", BAD), ("generator_top1", BAD), ("generator_fixed", GOOD)))
    assert result.verdict == CONTRADICTED


def test_sigma_says_when_validation_chose_the_fixed_sigma():
    chosen = {"for_you": {"fusion": {"power": 0.0}, "item_head": 0.0}}
    first = entry("generator_sigma", GOOD, mixes=chosen)
    result = sigma.run(detail_of(first, entry("generator_top1", BAD), entry("generator_fixed", GOOD)))
    assert result.verdict == OPEN
    assert "power 0" in result.reason


def cold_detail(refined, static, warm_loss=0.0):
    detail = detail_of(entry("popularity", [1, 0]))

    def way(recall, loss):
        interval = Interval(recall, max(0.0, recall - 0.01), recall + 0.01 if recall else 0.0)
        return ColdResult(recall=interval, ndcg=interval, warm_recall=0.1, warm_loss=loss, leaves=4)

    detail.cold = ColdReport(
        cold_items=5,
        cold_users=50,
        warm_users=90,
        warm_recall={"hybrid": 0.1, "pure": 0.1},
        results={"paths_selected": way(refined, warm_loss), "static_pure": way(static, 0.0)},
    )
    return detail


@pytest.mark.parametrize(
    ("refined", "static", "loss", "verdict"),
    [
        (0.20, 0.02, 0.004, CONFIRMED),
        (0.20, 0.0, -0.01, CONFIRMED),
        (0.20, 0.02, 0.02, CONFIRMED),
        (0.20, 0.02, 0.03, OPEN),
        (0.10, 0.05, 0.0, OPEN),
        (0.0, 0.0, 0.0, OPEN),
        (0.05, 0.20, 0.0, CONTRADICTED),
        (0.12, 0.10, 0.0, CONTRADICTED),
    ],
)
def test_dream_needs_many_times_and_almost_no_loss(refined, static, loss, verdict):
    result = dream.run(cold_detail(refined, static, loss))
    assert result.verdict == verdict
    assert result.measured["warm_loss.paths_selected"].value == loss


def test_a_difference_of_unpaired_intervals_is_as_wide_as_both_allow():
    result = dream.run(cold_detail(0.2, 0.05))
    difference = result.findings[0].difference
    assert difference == pytest.approx((0.1, 0.19 - 0.12, 0.21 - 0.08))


def test_a_missing_row_is_named_and_rows_of_other_users_are_refused():
    with pytest.raises(ConfigError, match="'sasrec'"):
        tiger.run(rows(("tiger", GOOD)))
    with pytest.raises(ConfigError, match="--cold"):
        dream.run(rows(("tiger", GOOD)))
    mixed = rows(("tiger", GOOD), ("sasrec", BAD))
    mixed.entries[1] = entry("sasrec", [1, 0])
    with pytest.raises(DataError, match="100 and 2 users"):
        tiger.run(mixed)


def test_what_a_claim_needs_can_be_measured():
    for needs in CLAIMS.values():
        assert set(needs.models) <= set(ALL)
        assert set(needs.ablations) <= set(ABLATIONS)
    assert needed(["tiger", "dream"]) == (("tiger", "sasrec"), (), True)
    assert needed(["capsid"]) == (FALLBACK, ("pure_capsid", "pure_sids"), False)
    with pytest.raises(ConfigError, match="sigma, tiger"):
        check_names(["nonsense"])


@pytest.fixture
def stored(tmp_path):
    detail = rows(("tiger", GOOD), ("sasrec", BAD))
    report = Report(
        figures={"cold.gain": float("inf")},
        context=make_context(seed=0, command="x"),
        detail=detail.model_dump(mode="json"),
    )
    file = tmp_path / "report.json"
    file.write_text(report.to_json(), encoding="utf-8")
    return file


def test_a_stored_report_is_judged_without_measuring(stored):
    done = runner.invoke(cli, ["eval", "claims", "--from", str(stored), "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert [c["name"] for c in told["detail"]["claims"]] == ["tiger"]
    assert told["detail"]["claims"][0]["verdict"] == CONFIRMED
    assert told["detail"]["skipped"] == ["sigma", "capsid", "dream"]
    assert told["figures"]["claims.confirmed"] == 1
    assert told["figures"]["tiger.recall@10.tiger-sasrec.lo"] > 0
    assert str(stored.parent) not in done.stdout


def test_the_table_shows_the_statement_the_interval_and_the_verdict(stored):
    done = runner.invoke(cli, ["eval", "claims", "--from", str(stored)], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.stderr
    for part in ("tiger", "generative retrieval", "+0.5000 [+0.", CONFIRMED):
        assert part in done.stdout
    assert "sigma: the report lacks" in done.stderr


def test_a_claim_asked_for_by_name_must_have_its_rows(stored):
    done = runner.invoke(cli, ["eval", "claims", "--from", str(stored), "--claim", "sigma"])
    assert done.exit_code == 1
    assert "generator" in done.stderr


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"detail": {"users": 3}}', "\x00"])
def test_a_file_that_is_no_report_is_one_sentence(tmp_path, content):
    file = tmp_path / "x.json"
    file.write_text(content, encoding="utf-8")
    done = runner.invoke(cli, ["eval", "claims", "--from", str(file)])
    assert done.exit_code == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "sidra eval offline" in done.stderr


def test_wrong_usage_is_told(tmp_path, stored):
    assert runner.invoke(cli, ["eval", "claims"]).exit_code == 2
    assert runner.invoke(cli, ["eval", "claims", "--dataset", "x", "--from", str(stored)]).exit_code == 2
    unknown = runner.invoke(cli, ["eval", "claims", "--from", str(stored), "--claim", "magic"])
    assert unknown.exit_code == 1
    assert "sigma" in unknown.stderr
    assert runner.invoke(cli, ["eval", "claims", "--from", str(tmp_path / "none.json")]).exit_code == 1


def test_only_the_rows_that_are_needed_are_measured(tmp_path, monkeypatch):
    asked = {}

    def fake(dataset, home, **options):
        asked.update(options, dataset=dataset)
        return Report(
            context=make_context(seed=0, command="x"),
            detail=rows(("tiger", BAD), ("sasrec", GOOD)).model_dump(mode="json"),
        )

    monkeypatch.setattr("eval.comparison.run.compare", fake)
    words = [
        "eval",
        "claims",
        "--dataset",
        "tiny",
        "--claim",
        "tiger",
        "--home",
        str(tmp_path),
        "--seed",
        "4",
        "--json",
    ]
    done = runner.invoke(cli, [*words, "--threads", "1"])
    assert done.exit_code == 0, done.stderr
    assert (asked["dataset"], asked["models"], asked["ablations"], asked["cold"]) == (
        "tiny",
        ("tiger", "sasrec"),
        (),
        False,
    )
    assert (asked["seed"], asked["threads"]) == (4, 1)
    assert json.loads(done.stdout)["detail"]["claims"][0]["verdict"] == CONTRADICTED
