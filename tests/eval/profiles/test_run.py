"""The whole measurement on a small release: every kind, both judges, choosing, recommending, the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.figures import Report
from eval.profiles.choosing import choose
from eval.profiles.config import ProfilesConfig
from eval.profiles.downstream import gains
from eval.profiles.opening import of_release
from eval.profiles.people import draw_people
from eval.profiles.render import markdown
from eval.profiles.report import ProfilesDetail
from eval.profiles.run import World, evaluate_profiles
from eval.profiles.scoring import Field
from recsys_core.profiles import HistoryFacts
from recsys_core.rewards import BumpConfig
from recsys_core.rewards.protocol import Question
from recsys_core.serving.recommender import Recommender

FEW = ProfilesConfig(
    users=24, users_llm=12, n=3, few_llm=True, judge_users=4, measure=BumpConfig(negatives=4, draws=2), resamples=200
)


class Writer:
    """Candidates: what everybody gets, then what the history says, then nonsense."""

    name = "fake"

    def __init__(self) -> None:
        self.told: list[HistoryFacts] = []

    def write_many(self, every: Sequence[HistoryFacts], n: int) -> list[list[str]]:
        self.told += every
        return [["Likes things.", " ".join(fact.value for fact in facts.genres), "zzz qqq"][:n] for facts in every]

    def counts(self) -> dict[str, float]:
        return {"asked": float(len(self.told))}


class Judge:
    """Ranks what is shown first highest."""

    name = "llm"

    def rank(self, questions: Sequence[Question]) -> list[NDArray[np.float32]]:
        return [-np.arange(len(q.candidates), dtype=np.float32) for q in questions]

    def counts(self) -> dict[str, float]:
        return {"asked": 1.0}


@pytest.fixture(scope="module")
def world(tiny_recommender: Recommender) -> World:
    return of_release(tiny_recommender, tiny_recommender.text.config)


@pytest.fixture(scope="module")
def report(world: World) -> Report:
    return evaluate_profiles(world, FEW, writer=Writer(), trained=Writer(), llm_judge=Judge, command="test")


def test_every_kind_is_measured(report: Report) -> None:
    """All kinds, two directions, three judges; differences are of the same people; nothing beyond the limit."""
    figures, detail = report.figures, ProfilesDetail.model_validate(report.detail)
    assert (figures["users"], figures["users_llm"]) == (24, 12)
    for kind in ("none", "random", "raw", "tags", "rule", "one", "best_of_n", "trained"):
        for name in (f"forward.{kind}", f"backward.{kind}", f"forward_lexical.{kind}", f"forward_llm_users.{kind}"):
            assert figures[f"{name}.lo"] <= figures[name] <= figures[f"{name}.hi"], name
    assert figures["forward.best_of_n"] == figures["forward_llm_users.best_of_n"]
    assert {"backward.one-rule", "backward_lexical.rule-tags.lo", "forward_llm.rule"} <= set(figures)
    assert sum(figures[f"order_{verdict}"] for verdict in ("holds", "open", "reversed")) == 8
    group = detail.judges["embedding"].with_llm
    assert group is not None
    step = next(s for s in group.steps if (s.better, s.worse, s.direction) == ("one", "rule", "forward"))
    wanted = group.kinds["one"].forward.value - group.kinds["rule"].forward.value
    assert step.users == 12
    assert step.difference.value == pytest.approx(wanted)
    assert detail.judges["llm"].with_llm is not None
    assert detail.judges["llm"].everybody is None
    assert max(figures[f"tokens_max.{kind}"] for kind in ("rule", "raw", "tags")) <= 120
    assert figures["llm_asked"] == 24
    assert report.context.command == "test"


def test_recommending_and_tasks(report: Report) -> None:
    """Four situations with and without profiles, few ones with the model's as well; tasks by kind."""
    detail = ProfilesDetail.model_validate(report.detail)
    assert set(detail.recommending) == {"few", "cut", "rest", "described"}
    assert "popularity" in detail.recommending["described"]
    for kinds in detail.recommending.values():
        assert kinds["none"].gain.value == 0.0
        assert kinds["rule"].gain.value == pytest.approx(kinds["rule"].ndcg.value - kinds["none"].ndcg.value)
    assert detail.recommending["few"]["best_of_n"].users == 12
    assert set(detail.lamp) >= {"genre"}
    assert set(detail.lamp["genre"]) == set(detail.examples[0])
    tables = markdown(detail)
    for piece in ("best_of_n above one", "Judge lexical", "Recommending, situation `few`", "Next genre"):
        assert piece in tables


def test_ways_of_choosing(report: Report) -> None:
    """Both judges measure what is chosen by both directions, forward and backward."""
    detail = ProfilesDetail.model_validate(report.detail)
    for ways in detail.choosing.values():
        assert set(ways) == {"both", "forward", "backward"}
        assert ways["both"].both_above is None
        above = ways["forward"].both_above
        assert above is not None
        assert above.value == pytest.approx(ways["both"].total.value - ways["forward"].total.value)


def test_candidates_are_chosen_without_what_is_held_out(world: World) -> None:
    """A judge who favours exactly the held-out items can't tell candidates apart on the slice: a planted leak."""
    people = draw_people(world.split, 12, 0)
    asked: list[str] = []

    class Watches:
        name = "watches"

        def scores(self, queries: Sequence[str], candidates: Sequence[str]) -> NDArray[np.float32]:
            asked.extend([*queries, *candidates])
            return np.zeros((len(queries), len(candidates)), dtype=np.float32)

    def texts(items: object) -> list[str]:
        return [f"item {int(item)}" for item in items]  # type: ignore[attr-defined]

    field = Field.slice(people, texts)  # type: ignore[arg-type]
    chosen = choose(Watches(), [["a", "b"]] * 12, field, BumpConfig())
    assert {way: len(found) for way, found in chosen.items()} == {"both": 12, "forward": 12, "backward": 12}
    told = {f"item {int(item)}" for person in people for item in person.chooses}
    assert {text for text in asked if text.startswith("item")} == told


def test_gains_are_of_the_same_people() -> None:
    """A kind that some people have is held against the same people without a profile."""
    found = gains(
        {"none": (np.array([1, 4, 7]), np.array([0.0, 0.5, 1.0])), "rule": (np.array([4]), np.array([1.0]))}, 0, 200
    )
    assert (found["rule"].users, found["rule"].gain.value, found["rule"].relative) == (1, 0.5, 1.0)


def test_command(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One JSON object on standard output; tables in a file; wrong names are told."""
    from typer.testing import CliRunner

    from app.cli import cli

    monkeypatch.setenv("SIDRA_CACHE_DIR", str(tmp_path / "cache"))
    out = tmp_path / "tables.md"
    wanted = ["eval", "profiles", "--users", "12", "--no-recommend", "--home", str(tiny_home), "--out", str(out)]
    done = CliRunner().invoke(cli, [*wanted, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["figures"]["users"] == 12
    assert "Not measured: recommending" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--users", "1"], "told from others"),
        (["--judge-users", "4"], "need a language model"),
        (["--few-llm"], "need a language model"),
        (["--out", "absent/tables.md"], "doesn't exist"),
    ],
)
def test_wrong_usage_is_told_before_anything_runs(words: list[str], says: str, tmp_path: Path) -> None:
    """Status 2 and a sentence, not an option that is quietly ignored."""
    from typer.testing import CliRunner

    from app.cli import cli

    done = CliRunner().invoke(cli, ["eval", "profiles", "--home", str(tmp_path), *words])
    assert done.exit_code == 2
    assert says in " ".join(done.output.replace("│", " ").split())
