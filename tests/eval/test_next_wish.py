"""The measure of suggestions, on a release small enough to check it by hand."""

from __future__ import annotations

import numpy as np
import pytest

from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from eval.held_out import HeldOut, targets_of
from eval.next_wish import evaluate_next_wish, trigger_figures
from recsys_core.catalog.splits import leave_last_out
from recsys_core.interests.space import InterestSpace
from recsys_core.serving.recommender import Recommender


def test_histories_end_before_the_target(tiny_recommender: Recommender) -> None:
    split = leave_last_out(tiny_recommender.log)
    held = HeldOut(tiny_recommender, split)
    for user, target in zip(split.users[:50], targets_of(split, split.users[:50]), strict=True):
        name = tiny_recommender.log.users[int(user)]
        whole = tiny_recommender.history(name)
        assert whole is not None
        assert held.history(name) == whole[:-1]
        assert held.history(name, 2) == whole[-3:-1]
        assert tiny_recommender.catalogue.ids[int(target)] == whole[-1]
    assert held.history("nobody") is None
    assert held.catalogue is tiny_recommender.catalogue


def test_figures_hold_together(tiny_recommender: Recommender) -> None:
    report = evaluate_next_wish(tiny_recommender, users=40, resamples=100)
    figures = report.figures
    for row in ("sidra", "history", "popularity", "frequent", "frequent_any"):
        assert (
            0 <= figures[f"chip_match.{row}.lo"] <= figures[f"chip_match.{row}"] <= figures[f"chip_match.{row}.hi"] <= 1
        )
        assert figures[f"chip_lift.{row}"] == pytest.approx(
            figures[f"chip_match.{row}"] / figures[f"chip_share.{row}"], rel=1e-6
        )
    assert 0 <= figures["trigger_rate"] <= 1
    assert evaluate_next_wish(tiny_recommender, users=40, resamples=100).figures == figures


def test_a_model_that_says_nothing_useful_changes_nothing(tiny_recommender: Recommender) -> None:
    model = ScriptedChatModel([ScriptEntry.model_validate({"json": {"wishes": ["xyzzy"]}})])
    figures = evaluate_next_wish(tiny_recommender, users=12, resamples=50, llm=lambda: model, llm_users=6).figures
    assert figures["llm_users"] == 6
    assert figures["llm_chips"] == 0
    assert figures["chip_match.llm"] == figures["chip_match.llm_same_users"]


def test_the_trigger_sees_a_change_of_taste(tiny_recommender: Recommender) -> None:
    space = InterestSpace(tiny_recommender.catalogue)
    genre = [n for n, tag in enumerate(space.tags) if tag.field == space.tags[0].field]
    one, two = (space.items_of([n])[:15] for n in genre[:2])
    steady = trigger_figures(space, [np.concatenate([one, one])])
    changed = trigger_figures(space, [np.concatenate([one, two])])
    assert changed["shift_mean"] > steady["shift_mean"] or changed["trigger_rate"] > steady["trigger_rate"]
