"""The calm evaluation: statistics by hand, an independent eye for facts, a small run, the traps, the commands."""

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.calm.adjust import Calmer
from agents.calm.types import Background, CalmResult, SentenceChange
from app.cli import cli
from eval.calm.news import CATEGORIES, Article, read_news, sample
from eval.calm.page import write_page
from eval.calm.run import evaluate_calm
from eval.calm.statistics import correlation, holm, paired_t, reading_ease
from eval.calm.traps import spring, traps
from eval.calm.violations import violations
from recsys_core.errors import DataError

LINES = [
    "Furious fans slam {} plan to cut {} jobs",
    "{} opens {} new shops in the north",
    "Shocking losses at {} leave {} workers in panic",
    "{} reports profit of {} million euros",
]


def articles(each=6):
    return [
        Article(
            f"ag-{n}", category, LINES[n % 4].format(f"Acme{n}", 100 + n), f"Acme{n} is a firm with {100 + n} offices."
        )
        for n, category in enumerate(name for name in CATEGORIES for _ in range(each))
    ]


def shown(before, after, background=None):
    return CalmResult(
        original=before,
        text=after,
        mode="cool" if background else "balanced",
        method="lexicon",
        made_by="lexicon",
        stimulus_before=0.5,
        stimulus_after=0.1,
        sentences=[SentenceChange(before=before, after=after, changed=before != after, reason="")],
        background=background,
    )


def test_t_test_effect_and_holm_by_hand():
    first, second = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 1.0, 2.5, 2.0])
    p, d = paired_t(first, second)
    assert d == pytest.approx(-1.0 / np.std([-0.5, -1.0, -0.5, -2.0], ddof=1))
    assert 0.05 < p < 0.15
    assert paired_t(first, first) == (1.0, 0.0)
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert np.isnan(correlation([1, 1], [1, 2]))


def test_short_words_read_more_easily():
    assert reading_ease("The cat sat. It was glad.") > reading_ease(
        "Organisational considerations notwithstanding, nothing."
    )
    assert np.isnan(reading_ease("123"))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("Shares fell 12 percent", "Shares fell 2 percent", "number"),
        ("It cost 4 million", "It cost 4 billion", "amount"),
        ("They left on Monday", "They left", "date"),
        ("He did not go", "He did go", "negation"),
        ('He said "go home now"', "He said go home now", "quotation"),
        ("the coach of Arsenal left", "the coach left", "name lost"),
        ("the coach left", "the coach of Arsenal left", "name invented"),
    ],
)
def test_every_kind_of_lost_fact_is_counted(before, after, told):
    assert any(told in problem for problem in violations(shown(before, after), {}))
    assert violations(shown(before, before), {}) == []


def test_background_must_stand_in_its_record():
    found = Background(text="Acme makes anvils.", item_id="7")
    result = shown("Fans left.", "Fans left. Background: Acme makes anvils.", found)
    assert violations(result, {"7": "Once. Acme makes anvils. Twice."}) == []
    assert violations(result, {"7": "Acme makes hats."})
    assert violations(result, {})


def test_news_are_read_mended_and_sampled_the_same_each_time(tmp_path):
    rows = io.StringIO()
    csv.writer(rows, quoting=csv.QUOTE_ALL).writerows(
        [str(n % 4 + 1), f"Head {n}", "It cost #36;5\\now &lt;b&gt;"] for n in range(40)
    )
    (tmp_path / "part.csv").write_text(rows.getvalue())
    news = read_news(tmp_path)
    assert news[0].description == "It cost $5 now <b>"
    assert news[0].text == "Head 0. It cost $5 now <b>"
    chosen = sample(news, 16, seed=4)
    assert chosen == sample(news, 16, seed=4)
    assert {c: sum(a.category == c for a in chosen) for c in CATEGORIES} == dict.fromkeys(CATEGORIES, 4)
    with pytest.raises(DataError, match="are asked for"):
        sample(news, 400, seed=4)
    (tmp_path / "part.csv").write_text('"9","a","b"\n')
    with pytest.raises(DataError, match="row 1"):
        read_news(tmp_path)


async def test_a_small_run_has_its_figures_and_is_the_same_again(calmer, tmp_path):
    news = articles()
    report = await evaluate_calm(news, news, calmer, None, command="x")
    figures = report.figures
    assert figures["items"] == 24
    assert figures["stimulus_change.balanced"] < 0
    assert figures["second.stimulus_change.balanced"] < 0
    assert figures["fact_violations_shown"] == 0
    assert figures["stimulus_change.balanced_low"] <= figures["stimulus_change.balanced"] <= 0
    assert {"similarity.cool", "correlation.cool", "p_holm.cool", "cohens_d.cool", "reading_ease.raw"} <= set(figures)
    assert set(report.detail["categories"]["cool"]) == set(CATEGORIES)
    measured = calmer.gauge.measured
    again = await evaluate_calm(news, news, calmer, None, command="x")
    assert json.loads(again.to_json())["figures"] == json.loads(report.to_json())["figures"]
    assert calmer.gauge.measured == measured
    page = write_page(report, tmp_path / "out" / "calm.html").read_text()
    assert "<svg" in page
    assert "<script" not in page


async def test_no_trap_catches_the_lexicon(calmer):
    assert len(traps()) == 40
    sprung = await spring(calmer, None)
    assert {one.name: one.wrong for one in sprung if one.wrong} == {}
    assert sum(one.made_by == "lexicon" for one in sprung) >= 20


def test_the_commands_say_what_they_lack(tmp_path, monkeypatch):
    monkeypatch.setattr(Calmer, "open", lambda *_: pytest.fail("opened"))
    run = CliRunner().invoke
    assert run(cli, ["eval", "calm"]).exit_code == 2
    missing = run(cli, ["eval", "calm", "--data", str(tmp_path), "--home", str(tmp_path)])
    assert missing.exit_code == 1
    assert "holds no .csv" in missing.output
    labels = run(cli, ["eval", "emotion", "--data", str(tmp_path)])
    assert labels.exit_code == 1
    assert "docs/calm.md" in " ".join(labels.output.split())
