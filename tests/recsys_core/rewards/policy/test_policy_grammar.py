"""Which profiles a policy can write at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from recsys_core.rewards.policy.config import PolicyConfig
from recsys_core.rewards.policy.grammar import END, Grammar, Phrase, replay
from recsys_core.rewards.policy.sampling import chosen_log_probabilities, given, sample, tensors
from recsys_core.rewards.policy.slots import FIGURES, Slot, Words, plan_of, sheet
from recsys_core.rewards.policy.writer import TrainedWriter

GRAMMAR = Grammar(
    phrases=[
        Phrase(groups=["genre"], opening="Likes", closing=" films", most=2),
        Phrase(groups=["era"], opening="of the", after="genre", most=1),
        Phrase(groups=["creator/director", "creator/cast"], opening="Comes back to"),
        Phrase(groups=["place/country"], opening="Chooses films from"),
    ],
    groups=["genre", "era", "creator/director", "creator/cast", "place/country"],
)


def slot(group: str, name: str) -> Slot:
    return Slot(group, name, (0.1,) * FIGURES)


SLOTS = [
    slot("genre", "Drama"),
    slot("genre", "War"),
    slot("genre", "Crime"),
    slot("era", "1990s"),
    slot("creator/director", "Woody Allen"),
    slot("creator/cast", "Woody Allen"),
    slot("creator/cast", "Mia Farrow"),
    slot("unheard of", "never"),
]


def writer(longest: int = 12, seed: int = 0) -> TrainedWriter:
    return TrainedWriter.fresh(
        PolicyConfig(width=16, layers=1, heads=2, slots=10, longest=longest), GRAMMAR, Words.of([SLOTS], 3), seed
    )


def test_a_plan_reads_as_sentences():
    assert GRAMMAR.render([1, 5, 6, 2, 8, 3, 11, 9, END, 4], [s.name for s in SLOTS]) == (
        "Likes Drama and War films of the 1990s.\nComes back to Mia Farrow and Woody Allen."
    )
    with pytest.raises(ValueError, match="slot 0"):
        GRAMMAR.render([5], ["Drama"])


@settings(max_examples=25, deadline=None)
@examples(st.integers(0, 10_000), st.integers(3, 14), st.lists(st.sampled_from(range(8)), max_size=8, unique=True))
def test_whatever_a_policy_samples_can_be_read_and_says_nothing_twice(seed, longest, kept):
    slots = [SLOTS[n] for n in kept]
    mine = writer(longest, seed)
    part = sheet([slots] * 4, GRAMMAR, mine.words, 10)
    plans = sample(mine.policy, GRAMMAR, part, torch.Generator().manual_seed(seed))
    assert plans.actions.shape[1] <= longest
    for actions in plans.actions.tolist():
        text = mine.text(actions, slots)
        sayable = [s for s in slots if s.group not in {"unheard of", "era"}]
        assert bool(text) == bool(sayable)
        assert "never" not in text
        for name in {s.name for s in slots}:
            assert text.count(name) <= 1
        assert all(line.endswith(".") for line in text.splitlines())
        if "of the" in text:
            assert "films of the 1990s" in text
    # the masks are those that a replay finds, and a taken step is never impossible
    assert np.array_equal(replay(GRAMMAR, part.groups, part.twins, plans.actions, longest), plans.allowed)
    found = chosen_log_probabilities(mine.policy, part, plans)
    assert torch.isfinite(found).all()
    assert (found[~torch.from_numpy(plans.real)] == 0).all()


def test_one_step_after_another_gives_what_all_at_once_give():
    mine = writer(seed=3)
    part = sheet([SLOTS, SLOTS[:2]], GRAMMAR, mine.words, 10)
    actions = torch.tensor([[1, 5, 2, 8], [1, 6, 5, 0]])
    read = mine.policy.read(tensors(part))
    every = mine.policy.steps(read, actions)
    before: list = []
    for n in range(5):
        found, before = mine.policy.following(read, actions[:, n - 1] if n else None, before)
        assert torch.allclose(found, every[:, n], atol=1e-5)


def test_the_order_of_facts_does_not_matter_to_the_policy():
    mine = writer()
    order = [3, 1, 0, 2, 6, 5, 4, 7]
    first, second = (sheet([slots], GRAMMAR, mine.words, 10) for slots in (SLOTS, [SLOTS[n] for n in order]))
    moved = {old: new for new, old in enumerate(order)}
    plan = [1, 5, 6, 2, 8]
    other = [a if a <= 4 else 5 + moved[a - 5] for a in plan]
    values = [
        chosen_log_probabilities(mine.policy, part, given(GRAMMAR, part, [p], 12))
        for part, p in ((first, plan), (second, other))
    ]
    assert torch.allclose(values[0], values[1], atol=1e-5)


def test_a_profile_written_by_rules_becomes_a_plan():
    text = "Likes War and Drama films of the 1990s.\nComes back to Woody Allen, Mia Farrow.\nLiked Manhattan."
    plan = plan_of(text, GRAMMAR, SLOTS)
    assert GRAMMAR.render(plan, [s.name for s in SLOTS]) == (
        "Likes War and Drama films of the 1990s.\nComes back to Woody Allen and Mia Farrow."
    )
    assert plan_of("Nothing that it knows.", GRAMMAR, SLOTS) == []


def test_plans_that_the_grammar_forbids_are_refused():
    part = sheet([SLOTS], GRAMMAR, Words.of([SLOTS], 3), 10)
    with pytest.raises(ValueError, match="forbids"):
        given(GRAMMAR, part, [[1, 8]], 12)  # an era is no genre
    # what is too long is cut where it still ends a sentence
    cut = given(GRAMMAR, part, [[1, 5, 3, 9, 11]], 4)
    assert cut.actions.tolist() == [[1, 5, END]]
