"""The weekly picture and its advice: figures that can be counted by hand, sentences that name them."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.reading.advice import advise
from agents.reading.week import week_of, weeks
from agents.store.reading import DiaryEntry

MONDAY = 20_409  # 2025-11-17
LOUD = (0.3, 0.4, 0.05, 0.05, 0.1, 0.1)
QUIET = (0.02, 0.03, 0.3, 0.2, 0.1, 0.05)


def entry(
    item: str, day: int = MONDAY, emotions: tuple[float, ...] = QUIET, category: str = "World", mode: str = "raw"
) -> DiaryEntry:
    return DiaryEntry(item, day, mode, category, emotions)


def test_weeks_begin_on_monday() -> None:
    assert week_of(MONDAY) == "2025-11-17"
    assert week_of(MONDAY + 6) == "2025-11-17"
    assert week_of(MONDAY + 7) == "2025-11-24"
    assert week_of(MONDAY - 1) == "2025-11-10"


def test_figures_can_be_counted_by_hand() -> None:
    entries = [entry(f"l{n}", emotions=LOUD) for n in range(3)]
    entries += [entry("q", category="Sports", mode="cool"), entry("n", day=MONDAY + 7, category="")]
    first, second = weeks(entries)
    assert (first.begins, first.items, first.loud, first.loud_share) == ("2025-11-17", 4, 3, 0.75)
    assert math.isclose(first.stimulus, (3 * 0.8 + 0.1) / 4, abs_tol=1e-4)
    assert math.isclose(first.emotions["fear"], (3 * 0.4 + 0.03) / 4, abs_tol=1e-4)
    assert first.modes == {"raw": 3, "cool": 1}
    assert [(c.category, c.items, c.loud) for c in first.categories] == [("World", 3, 3), ("Sports", 1, 0)]
    assert [c.category for c in second.categories] == ["other"]


def test_texts_without_any_emotion_have_no_balance() -> None:
    (week,) = weeks([entry("a", emotions=(0.0,) * 6)])
    assert week.balance is None
    assert advise([week], week.begins)
    even = weeks([entry("a", emotions=(0.1,) * 6)])[0].balance
    assert even is not None
    assert math.isclose(even, 1.0, abs_tol=1e-3)


def test_advice_names_the_figures_and_the_category() -> None:
    entries = [entry(f"l{n}", emotions=LOUD) for n in range(5)] + [entry(f"q{n}", category="Sports") for n in range(4)]
    before = [entry(f"b{n}", day=MONDAY - 7) for n in range(6)]
    said = advise(weeks([*before, *entries]), "2025-11-17")
    assert "5 of 9 texts this week were loud (56%)" in said
    assert "World (5 of 5)" in said
    assert "BALANCED for World" in said
    assert "up from 0% in the week of 2025-11-10" in said


def test_a_quiet_week_needs_nothing_and_a_short_one_gets_no_advice() -> None:
    assert "too few" in advise(weeks([entry("a")]), "2025-11-17")
    assert "nothing to say" in advise([], "2025-11-17")
    assert "nothing needs changing" in advise(weeks([entry(f"q{n}") for n in range(6)]), "2025-11-17")
    calm = [entry(f"q{n}", mode="cool") for n in range(6)]
    assert "6 of 6 texts in a calmer version" in advise(weeks(calm), "2025-11-17")


def test_one_emotion_alone_is_said() -> None:
    sad = [entry(f"s{n}", emotions=(0.01, 0.02, 0.01, 0.01, 0.6, 0.01)) for n in range(6)]
    said = advise(weeks(sad), "2025-11-17")
    assert "sadness makes up 91%" in said


rows = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.tuples(*[st.floats(0, 0.15625, width=32) for _ in range(6)]),
        st.sampled_from(["", "World", "Sports"]),
        st.sampled_from(["raw", "balanced", "cool"]),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(rows)
def test_whatever_was_read_adds_up(found: list) -> None:
    entries = [
        entry(f"i{n}", MONDAY + day, emotions, category, mode)
        for n, (day, emotions, category, mode) in enumerate(found)
    ]
    made = weeks(entries)
    assert sum(week.items for week in made) == len(entries)
    for week in made:
        assert sum(c.items for c in week.categories) == week.items == sum(week.modes.values())
        assert sum(c.loud for c in week.categories) == week.loud
        assert 0 <= week.stimulus <= 1
        assert week.balance is None or 0 <= week.balance <= 1
        assert "nan" not in advise(made, week.begins).lower()
        assert week.model_dump_json()
