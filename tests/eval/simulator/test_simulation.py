"""Whole simulated conversations: on a made-up recommender that knows the answers, and on a small real release."""

import math

import numpy as np
import pytest

from agents.llm.none import NoChatModel
from agents.llm.scripted import ScriptedChatModel, ScriptEntry
from eval.held_out import HeldOut, without_last
from eval.simulator.counting import CountingModel
from eval.simulator.figures import simulation_figures
from eval.simulator.held_out import hold_out, targets_known
from eval.simulator.run import simulate
from eval.simulator.trials import Said, Simulation, Trial
from recsys_core.catalog.splits import leave_last_out
from recsys_core.errors import ConfigError, ReleaseError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def trial(user, number, found):
    turns = [Said(say="x", cards=[], rank=None, seconds=0.1) for _ in range((found or 5) - 1)]
    turns.append(Said(say="x", cards=["T"], rank=1 if found else None, seconds=0.1))
    return Trial(user=user, trial=number, target="T", found=found, turns=turns, tokens=30)


def test_figures_are_counted_over_people():
    found = Simulation(
        trials=[trial(0, n, 1) for n in range(3)] + [trial(1, n, f) for n, f in enumerate((2, None, 5))],
        baseline=[True, False],
        pages=[True, True],
    )
    figures = simulation_figures(found)
    assert figures["simulated_users"] == 2
    assert figures["success_at_1"] == pytest.approx(0.5)
    assert figures["success_at_2"] == pytest.approx((1 + 1 / 3) / 2)
    assert figures["success_at_5"] == pytest.approx((1 + 2 / 3) / 2)
    assert figures["pass_hat_3"] == pytest.approx(0.5)
    assert figures["baseline_success_at_5"] == 0.5
    assert figures["baseline_pages_success_at_5"] == 1.0
    assert figures["success_ratio"] == pytest.approx(5 / 6 / 0.5)
    assert figures["success_at_5.lo"] <= figures["success_at_5"] <= figures["success_at_5.hi"]
    assert figures["simulated_turns_mean"] == pytest.approx((1 + 4) / 2)
    assert figures["tokens_per_conversation"] == 30
    two = simulation_figures(Simulation(trials=found.trials[:2], baseline=[True], pages=[True]))
    assert "pass_hat_3" not in two


def test_the_last_interaction_is_gone_from_history_log_and_ratings(tiny_recommender):
    log = tiny_recommender.log
    parts = leave_last_out(log)
    blind = HeldOut(tiny_recommender, parts)
    user = int(parts.users[0])
    name = log.users[user]
    target = tiny_recommender.catalogue.ids[int(parts.test_items[0])]
    assert blind.history(name) == tiny_recommender.history(name)[:-1]
    assert target not in blind.ratings(name)
    assert blind.history("nobody") is None
    assert len(without_last(log, parts)) == len(log) - len(parts.users)
    assert np.array_equal(blind.log.sequence(user), log.sequence(user)[:-1])
    # short users stay whole
    short = next(u for u in range(log.n_users) if u not in set(parts.users.tolist()))
    assert np.array_equal(blind.log.sequence(short), log.sequence(short))


def test_people_have_targets_that_nothing_knows(tiny_recommender):
    blind, people = hold_out(tiny_recommender, 20, seed=1)
    assert len({p.user_id for p in people}) == 20
    assert targets_known(blind, people) == []
    assert all(list(p.history) == blind.history(p.user_id) for p in people)
    _, again = hold_out(tiny_recommender, 20, seed=1)
    assert [p.user_id for p in again] == [p.user_id for p in people]
    inner = HeldOut.__new__(HeldOut)
    inner.__dict__ |= {"_inner": tiny_recommender, "catalogue": tiny_recommender.catalogue, "log": tiny_recommender.log}
    assert len(targets_known(inner, people)) == 20


def test_a_release_that_may_have_seen_the_targets_is_refused(recommender):
    recommender.release.manifest.config.clear()
    with pytest.raises(ReleaseError, match="doesn't record"):
        hold_out(recommender, 5, seed=0)


async def test_on_a_real_release_talking_finds_more_than_silence(tiny_recommender):
    told = []
    found = await simulate(
        tiny_recommender, NoChatModel(), users=8, trials=2, seed=3, progress=lambda *step: told.append(step)
    )
    figures = simulation_figures(found)
    assert len(found.trials) == 16
    assert told[-1][1:] == (16, 16)
    assert figures["success_at_5"] >= figures["success_at_1"]
    assert figures["success_at_5"] > figures["baseline_success_at_5"]
    assert figures["simulated_failed_turns"] == 0
    assert not math.isnan(figures["success_at_5.lo"])
    for one in found.trials:
        assert len(one.turns) == (one.found or 5)
        assert all((turn.rank is not None) == (number == one.found) for number, turn in enumerate(one.turns, 1))
        assert all(one.target.casefold() not in turn.say.casefold() for turn in one.turns)


async def test_nobody_to_simulate_is_said(tiny_recommender):
    with pytest.raises(ConfigError, match="at least 1"):
        await simulate(tiny_recommender, NoChatModel(), users=2, trials=0)


async def test_tokens_of_all_turns_are_counted():
    from agents.llm.protocol import TurnBudget

    class Spending(ScriptedChatModel):
        async def _answer(self, messages, budget, name):
            budget.spend_tokens(7)
            return await super()._answer(messages, budget, name)

    model = CountingModel(Spending([ScriptEntry.model_validate({"text": "fine."})]))
    budget = TurnBudget()
    assert "".join([p async for p in model.stream([], budget=budget)]) == "fine."
    assert "".join([p async for p in model.stream([], budget=budget)]) == "fine."
    assert (model.tokens, model.calls) == (14, 2)
    assert (model.name, model.available) == ("scripted", True)
