"""Best of n: candidates judged by BUMP's reward on the user's own newest items, which they haven't seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.profile.known import Known
from agents.profile.writer import Candidate
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.encoders.text import item_description
from recsys_core.profiles import Past, history_facts, rule_profile
from recsys_core.rewards import BumpConfig, Judge, bump_rewards

LEAST_PAST = 3
"""So many items must be left to write from once the newest are held out."""


@dataclass(frozen=True)
class Slice:
    """The visible validation slice of a user.

    Attributes:
        held_out: texts of the user's newest items, which the candidates must not be written from.
        others: for some other users, a rule-written profile and texts of newest items; only ever compared with.
    """

    held_out: list[str]
    others: list[tuple[str, list[str]]]


def slice_of(
    known: Known, log: InteractionLog, user: int | None, held_out: int, others: int, seed: int
) -> Slice | None:
    """The slice of one user; None when the history is too short for one, or nobody else is there.

    Args:
        known: what is known of the user.
        log: everybody's interactions.
        user: the user's index, so that they are not their own rival.
        held_out: so many of the newest items.
        others: so many other users.
        seed: of their choice.
    """
    if len(known.past) < held_out + LEAST_PAST:
        return None
    rng = np.random.default_rng(seed)
    lengths = np.diff(log.offsets)
    able = np.flatnonzero(lengths > held_out)
    able = able[able != (-1 if user is None else user)]
    if not len(able):
        return None
    rivals = []
    for other in np.sort(rng.permutation(able)[:others]).tolist():
        past = Past.of(log, other)
        profile = rule_profile(history_facts(known.averages, past.cut(-held_out)))
        rivals.append((profile, _texts(known, past.items[-held_out:])))
    return Slice(_texts(known, known.past.items[-held_out:]), rivals)


def best_of(candidates: Sequence[Candidate], against: Slice, judge: Judge) -> tuple[Candidate, list[float]]:
    """The candidate with the highest reward, the first of equals, and the reward of each."""
    config = BumpConfig(negatives=max(1, len(against.others)))
    profiles = [*(candidate.text for candidate in candidates), *(profile for profile, _ in against.others)]
    owners = [*([0] * len(candidates)), *range(1, len(against.others) + 1)]
    held_out = [against.held_out, *(items for _, items in against.others)]
    rewards = bump_rewards(judge, profiles, held_out, owners=owners, config=config)[: len(candidates)]
    totals = [float(np.nan_to_num(reward.total, nan=-np.inf)) for reward in rewards]
    return candidates[int(np.argmax(totals))], totals


def _texts(known: Known, items: np.ndarray) -> list[str]:
    catalogue = known.catalogue
    return [f"{catalogue.titles[i].rstrip('. ')}. {item_description(catalogue, i)}" for i in items.tolist()]
