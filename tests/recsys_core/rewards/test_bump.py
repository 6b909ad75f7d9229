"""The reward: against plain Python, against known rankings, and what must not count as a negative."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys_core.rewards import BumpConfig, bump_rewards, bump_scores
from recsys_core.rewards.hard import hardness
from recsys_core.rewards.negatives import Pool, draw_items, draw_users
from recsys_core.rewards.protocol import Question


class TableJudge:
    """Scores by a function of the two texts."""

    name = "table"

    def __init__(self, score: object = None) -> None:
        self.score = score or _same_user
        self.calls = 0

    def scores(self, queries: Sequence[str], candidates: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        return np.array([[self.score(q, c) for c in candidates] for q in queries], dtype=np.float32)  # type: ignore[operator]


class OrderJudge:
    """Judge of lists that ranks by the place shown, first or last best."""

    name = "order"

    def __init__(self, sign: float) -> None:
        self.sign = sign
        self.asked: list[Question] = []

    def rank(self, questions: Sequence[Question]) -> list[NDArray[np.float32]]:
        self.asked += questions
        return [self.sign * np.arange(len(q.candidates), dtype=np.float32) for q in questions]


def _user(text: str) -> str:
    return text.split(":")[0]


def _same_user(query: str, candidate: str) -> float:
    return float(_user(query) == _user(candidate))


def _world(users: int, items: int) -> tuple[list[str], list[list[str]]]:
    return [f"{u}:profile" for u in range(users)], [[f"{u}:item{p}" for p in range(items)] for u in range(users)]


def test_perfect_and_adversarial() -> None:
    """A judge who knows the user gives 1 in both directions; one who errs on purpose gives the least there is."""
    profiles, held = _world(12, 3)
    best = bump_scores(TableJudge(), profiles, held)
    assert np.allclose(best.forward, 1.0)
    assert np.allclose(best.backward, 1.0)
    assert np.allclose(best.total, 2.0)
    worst = bump_scores(TableJudge(lambda q, c: -_same_user(q, c)), profiles, held)
    ideal = sum(1 / np.log2(j + 1) for j in range(1, 4))
    assert np.allclose(worst.forward, sum(1 / np.log2(j + 1) for j in range(9, 12)) / ideal)
    assert np.allclose(worst.backward, 1 / np.log2(10))


def test_ties_earn_what_chance_gives() -> None:
    """A judge who can't tell anything apart: the shuffles make it the mean over all places."""
    profiles, held = _world(60, 1)
    found = bump_scores(TableJudge(lambda q, c: 0.0), profiles, held, config=BumpConfig(shuffles=50))
    chance = np.mean([1 / np.log2(r + 1) for r in range(1, 10)])
    assert found.forward.mean() == pytest.approx(chance, abs=0.02)
    assert found.backward.mean() == pytest.approx(chance, abs=0.02)


@given(st.integers(2, 7), st.integers(1, 3), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_brute_force(users: int, items: int, seed: int) -> None:
    """With every negative in the list and no tie, equal to plain Python; user order and item order change nothing."""
    rng = np.random.default_rng(seed)
    values: dict[tuple[str, str], float] = {}

    def score(query: str, candidate: str) -> float:
        return values.setdefault((query, candidate), float(rng.random()))

    profiles, held = _world(users, items)
    held[0] = held[0][:1]
    config = BumpConfig(negatives=1000, shuffles=1, seed=seed)
    found = bump_rewards(TableJudge(score), profiles, held, config=config)
    for u in range(users):
        foreign = [i for v in range(users) if v != u for i in held[v]]
        ranked = sorted([*held[u], *foreign], key=lambda i: -score(profiles[u], i))
        gain = sum(1 / np.log2(ranked.index(i) + 2) for i in held[u])
        ideal = sum(1 / np.log2(j + 2) for j in range(len(held[u])))
        assert found[u].forward == pytest.approx(gain / ideal, abs=1e-6)
        back = [1 / np.log2(sorted(profiles, key=lambda p, i=i: -score(i, p)).index(profiles[u]) + 2) for i in held[u]]
        assert found[u].backward == pytest.approx(np.mean(back), abs=1e-6)
    order = rng.permutation(users)
    moved = bump_rewards(TableJudge(score), [profiles[u] for u in order], [held[u][::-1] for u in order], config=config)
    assert np.allclose(np.array(moved), np.array(found)[order])


def test_small_batches() -> None:
    """Fewer users than K + 1: the list is shorter. Nobody else, or nothing held out: no value rather than a perfect one."""
    profiles, held = _world(2, 1)
    found = bump_scores(TableJudge(lambda q, c: -_same_user(q, c)), profiles, held)
    assert np.allclose(found.forward, 1 / np.log2(3))
    alone = bump_rewards(TableJudge(), profiles[:1], held[:1])[0]
    assert np.isnan([alone.forward, alone.backward, alone.total]).all()
    empty = bump_scores(TableJudge(), profiles, [[], held[1]])
    assert np.isnan(empty.forward).all()
    assert np.isnan(empty.backward[0])
    assert empty.backward[1] == 1.0
    assert bump_rewards(TableJudge(), [], []) == []
    assert np.isnan(bump_scores(TableJudge(), profiles, [[], []]).total).all()


def test_false_negatives_are_left_out() -> None:
    """What a user has, too, stands against nobody: not as an item, nor does its owner's profile."""
    held = [["a", "shared"], ["b", "shared"], ["c"], ["d"]]
    pool = Pool(held, [["d"], [], [], ["a"]])
    rng = np.random.default_rng(0)
    foreign = {u: {pool.texts[i] for i in row if i >= 0} for u, row in enumerate(draw_items(pool, 10, rng))}
    assert foreign == {0: {"b", "c"}, 1: {"a", "c", "d"}, 2: {"a", "b", "d", "shared"}, 3: {"b", "c", "shared"}}
    lenders = draw_users(pool, 10, rng, np.array([True, True, True, True]))
    assert {int(u) for u in lenders[0, 0] if u >= 0} == {1, 2}  # user 3 has "a" in the visible history
    assert {int(u) for u in lenders[0, 1] if u >= 0} == {2, 3}  # user 1 holds "shared" out, too
    absent = draw_users(pool, 10, rng, np.array([True, True, False, True]))
    assert {int(u) for u in absent[0, 1] if u >= 0} == {3}


def test_foreign_items_come_as_often_as_they_are_held_out() -> None:
    """Popularity of negatives is that of positives, or a judge could win by liking what is popular."""
    pool = Pool([["rare1"], *[["hit"]] * 9, ["own"]])
    rng = np.random.default_rng(1)
    first = [pool.texts[draw_items(pool, 1, rng)[-1, 0]] for _ in range(400)]
    assert 0.84 < first.count("hit") / 400 < 0.96


def test_candidates_of_one_user() -> None:
    """Candidates share negatives, never stand against each other, and order among rows changes nothing."""
    profiles, held = _world(5, 2)
    rows = [*profiles, "0:other", "1:other"]
    found = bump_scores(TableJudge(), rows, held, owners=[0, 1, 2, 3, 4, 0, 1])
    assert np.allclose(found.backward, 1.0)
    found = bump_scores(TableJudge(), ["0:a", "1:b"], held, owners=[0, 1], config=BumpConfig(negatives=4))
    assert np.allclose(found.backward, 1.0)  # users 2 to 4 have no profile to lend
    with pytest.raises(ValueError, match="owner"):
        bump_scores(TableJudge(), profiles, held, owners=[0, 1, 2, 3, 9])


def test_judge_of_pairs_is_asked_twice_and_reproducibly() -> None:
    """All pairs in one question a direction; the seed decides negatives."""
    profiles, held = _world(30, 2)
    judge = TableJudge(lambda q, c: hash((q, c)) % 1000)
    config = BumpConfig(draws=5, shuffles=3)
    first = bump_scores(judge, profiles, held, config=config)
    assert judge.calls == 2
    assert np.array_equal(first.total, bump_scores(judge, profiles, held, config=config).total)
    other = bump_scores(judge, profiles, held, config=config.model_copy(update={"seed": 1}))
    assert not np.array_equal(first.total, other.total)


def test_shuffles_undo_a_liking_for_places() -> None:
    """A judge of lists who prefers the first or the last place earns chance, and sees whole lists in many orders."""
    profiles, held = _world(40, 1)
    chance = np.mean([1 / np.log2(r + 1) for r in range(1, 6)])
    for sign in (-1.0, 1.0):
        judge = OrderJudge(sign)
        found = bump_scores(judge, profiles, held, config=BumpConfig(negatives=4, shuffles=12))
        assert found.forward.mean() == pytest.approx(chance, abs=0.05)
        assert found.backward.mean() == pytest.approx(chance, abs=0.05)
        items = [q for q in judge.asked if q.about == "items" and q.query == "3:profile"]
        assert len(items) == 12
        assert len({tuple(sorted(q.candidates)) for q in items}) == 1
        assert len({q.candidates.index("3:item0") for q in items}) > 2


def test_unusable_answers_earn_chance() -> None:
    """A list judge who answers nothing is no better and no worse than chance."""

    class Mute:
        name = "mute"

        def rank(self, questions: Sequence[Question]) -> list[NDArray[np.float32]]:
            return [np.full(len(q.candidates), np.nan, dtype=np.float32) for q in questions]

    profiles, held = _world(60, 1)
    found = bump_scores(Mute(), profiles, held, config=BumpConfig(shuffles=20))
    assert found.forward.mean() == pytest.approx(np.mean([1 / np.log2(r + 1) for r in range(1, 10)]), abs=0.03)


def test_hard_positives_and_negatives() -> None:
    """BUMP+ takes the items farthest from the history and the users who are nearest."""
    directions = {"x": [1.0, 0.0], "y": [0.0, 1.0], "z": [0.8, 0.6], "w": [-1.0, 0.0]}

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([directions[t[0]] for t in texts], dtype=np.float32)

    held = [["x1", "y1", "w1"], ["x2"], ["z3"], ["w4"]]
    hard = hardness(encode, [["x"], ["x"], ["z"], ["w"]], held)
    assert hard.nearness[0].argsort()[::-1].tolist()[:3] in ([0, 1, 2], [1, 0, 2])
    judge = TableJudge(lambda q, c: float(c == "w1") if q == "p0" else float(c == "p1"))
    config = BumpConfig(negatives=1, hard_positives=1, hard_negatives=True)
    found = bump_rewards(judge, ["p0", "p1", "p2", "p3"], held, hard=hard, config=config)
    assert found[0].forward == pytest.approx(1.0)  # w1 alone is asked for
    assert found[0].backward == pytest.approx(1 / np.log2(3))  # p1, the nearest, is always there
    with pytest.raises(ValueError, match="hard"):
        bump_rewards(judge, ["p0"], [["x1"]], config=config)
    assert hardness(encode, [[], []], [["x"], []]).distances[0].tolist() == [1.0]


def test_length_is_taken_off() -> None:
    """Twice the budget costs the weight; a direction of weight 0 is left out of the total."""
    profiles, held = _world(3, 1)
    config = BumpConfig(token_budget=3, backward_weight=0.0, length_weight=0.5)
    found = bump_rewards(TableJudge(), [profiles[0] + " a b c", *profiles[1:]], held, config=config)
    assert found[0].length == pytest.approx(0.5)
    assert found[0].total == pytest.approx(0.5)
    assert found[1].total == pytest.approx(1.0)
