"""The people whose last choice is their hidden target, and the recommender that doesn't know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.understanding.roles import Roles
from eval.held_out import HeldOut
from eval.offline import check_held_out, sample_users
from eval.simulator.attributes import attributes_of
from recsys_core.catalog.items import Item
from recsys_core.catalog.splits import leakage_check, leave_last_out
from recsys_core.errors import ConfigError


@dataclass(frozen=True)
class Hidden:
    """Somebody with something in mind."""

    user_id: str
    """User of the log."""
    target: Item
    """Their last item, which nothing that answers knows of."""
    history: tuple[str, ...]
    """Item ids before it, newest last."""


def hold_out(recommender: Any, users: int | None, seed: int) -> tuple[HeldOut, list[Hidden]]:
    """The recommender that doesn't know, and a random sample of people.

    People whose target has no facts that could be told, or occurs in their own history as well, are left out.

    Args:
        recommender: an open recommender.
        users: how many; all who fit when None.
        seed: of the sample.

    Raises:
        ReleaseError: the release's models may have seen the targets.
        DataError: the split leaks.
        ConfigError: nobody fits.
    """
    parts = leave_last_out(recommender.log)
    leakage_check(parts)
    check_held_out(recommender.release, parts, len(recommender.catalogue))
    blind = HeldOut(recommender, parts)
    catalogue, roles = recommender.catalogue, Roles.of(recommender.catalogue)
    drawn = np.random.default_rng(seed).permutation(sample_users(parts.users, None, seed))
    found: list[Hidden] = []
    for user in drawn:
        if users is not None and len(found) == users:
            break
        target = catalogue.item(int(parts.test_items[np.searchsorted(parts.users, user)]))
        history = tuple(catalogue.ids[i] for i in parts.test_history(int(user)))
        if target.id in catalogue and target.id not in history and attributes_of(target, catalogue, roles):
            found.append(Hidden(recommender.log.users[int(user)], target, history))
    if not found:
        raise ConfigError("nobody's last item can be told by its facts; simulated people need items with attributes")
    return blind, found


def targets_known(blind: HeldOut, people: Sequence[Hidden]) -> list[str]:
    """Users whose target the recommender would still see in their history; must be empty."""
    return [person.user_id for person in people if person.target.id in (blind.history(person.user_id) or [])]
