"""What a study has to show before anything is proposed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.tuning import promotion_of
from recsys_core.serving.plan import AS_BUILT, ServingPlan
from recsys_core.tuning.score import Verdict
from recsys_core.tuning.session import TuneConfig

GOOD = Verdict(score=1.5, speed=1.5, quality=0.99, lower=0.96, slack=0.01)


def result(test: Verdict | None, plan: ServingPlan | None = None, trial: int = 3) -> Any:
    proposed = SimpleNamespace(
        trial=trial, plan=plan or ServingPlan(beam=4), test=test, changes={"beam": 4}, proposed_by="llm"
    )
    trials = [SimpleNamespace(number=3, reason="narrower")]
    return SimpleNamespace(
        study="s", proposed=proposed, outcome=SimpleNamespace(history=SimpleNamespace(trials=trials))
    )


def test_what_is_proven_is_proposed_with_its_own_bound() -> None:
    # the test's own bound may be wider than the floor: it chooses nothing
    wide = GOOD.model_copy(update={"score": 0.0, "lower": 0.93, "failed": ["quality of recommend: 0.990, bound 0.930"]})
    for test in (GOOD, wide):
        promotion = promotion_of(result(test), TuneConfig())
        assert promotion is not None
        assert (promotion.speed, promotion.quality, promotion.lower) == (1.5, 0.99, test.lower)
        assert (promotion.proposed_by, promotion.reason, promotion.floor) == ("llm", "narrower", 0.95)


@pytest.mark.parametrize(
    "found",
    [
        result(None),
        result(GOOD, trial=0),
        result(GOOD, plan=AS_BUILT),
        result(GOOD.model_copy(update={"quality": 0.94})),
        result(GOOD.model_copy(update={"speed": 0.98})),
        result(GOOD.model_copy(update={"failed": ["latency: a batch takes 300 ms, 250 are allowed"]})),
    ],
)
def test_what_is_not_is_not(found: Any) -> None:
    assert promotion_of(found, TuneConfig()) is None
