"""Who is measured, and that nothing held out is ever told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from eval.profiles.kinds import facts_of, simple_profiles, somebody_elses
from eval.profiles.people import FEW, ItemTexts, draw_people, with_few
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.splits import Split, leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.errors import ConfigError
from recsys_core.profiles import MAX_TOKENS, Averages, count_tokens


@pytest.fixture(scope="module")
def data() -> tuple[Catalogue, Split]:
    catalogue, log = synthetic(n_items=120, n_users=60, seed=3)
    return catalogue, leave_last_out(log)


def test_parts_follow_each_other(data: tuple[Catalogue, Split]) -> None:
    """Told, choosing and held out are the sequence in order, and held-out items are new."""
    _, split = data
    people = draw_people(split, 40, seed=1)
    assert len({person.user for person in people}) == 40
    for person in people:
        sequence = split.log.sequence(person.user)
        assert np.array_equal(person.visible, sequence[:-2])
        assert len(person.told) >= 1
        assert 1 <= len(person.chooses) <= 5
        assert set(person.held) <= set(sequence[-2:])
        assert not set(person.held) & set(person.visible)
        few = with_few(person, split)
        assert few.held.tolist() == [sequence[-1]]
        assert np.array_equal(few.told, sequence[-1 - FEW : -1])
    out = frozenset(person.user_id for person in people[:20])
    assert not out & {person.user_id for person in draw_people(split, None, 1, leave_out=out)}
    assert [p.user for p in draw_people(split, 40, 1)] == [p.user for p in people]


def test_what_is_held_out_changes_no_profile(data: tuple[Catalogue, Split]) -> None:
    """Other items at the end of a sequence, the same profiles; different items before it, different ones."""
    catalogue, split = data
    people = draw_people(split, 30, seed=1)
    items = split.log.items.copy()
    ends = split.log.offsets[1:]
    for person in people:
        items[ends[person.user] - 1 - len(person.chooses) - 1 : ends[person.user]] = 0
    log = replace(split.log, items=items)
    averages = Averages(catalogue)

    def written(of: InteractionLog) -> dict[str, list[str]]:
        return simple_profiles(averages, people, [facts_of(averages, of, person) for person in people], 0)

    before = written(split.log)
    assert before == written(log)
    assert all(count_tokens(text) <= MAX_TOKENS for texts in before.values() for text in texts)
    assert set(before["none"]) == {""}
    assert all(own != other for own, other in zip(before["rule"], before["random"], strict=True) if own)


def test_somebody_elses_is_never_ones_own() -> None:
    """Everybody gets another's, and each is given once."""
    names = [str(n) for n in range(9)]
    drawn = somebody_elses(names, 3)
    assert sorted(drawn) == names
    assert all(a != b for a, b in zip(names, drawn, strict=True))


def test_too_few_people() -> None:
    """One person can't be told from others."""
    frame = pl.DataFrame({"user_id": ["a"] * 5, "item": range(5), "timestamp": range(5)})
    with pytest.raises(ConfigError, match="1 fit"):
        draw_people(leave_last_out(InteractionLog.from_frame(frame, 5)), None, 0)


def test_item_texts_are_short_lines() -> None:
    """Title first, once, on one line, cut."""
    frame = pl.DataFrame({"id": ["1", "2"], "title": ["Blue Saw", ""], "text": ["Blue Saw cuts\n" + "x" * 900, ""]})
    texts = ItemTexts(Catalogue(frame))
    assert texts([0])[0].startswith("Blue Saw cuts x")
    assert len(texts([0])[0]) == 320
    assert "\n" not in texts([0])[0]
    assert len(texts.all()) == 2
