"""The BUMP reward of readable profiles (arXiv 2606.05336): a profile is good when it tells its user from others.

Forward: told the profile, a judge ranks the user's P held-out items among K foreign ones; their ranks r_p earn
``(1 / Z_P) sum_p 1 / log2(r_p + 1)`` with ``Z_P = sum_{j <= P} 1 / log2(j + 1)``. Backward: told a held-out item, the
judge ranks the user's profile among K foreign profiles; ``(1 / P) sum_p 1 / log2(r_p + 1)``. Both are averaged over M
shuffled orders, and what exceeds the token budget costs. Nothing is labelled; the negatives come out of the batch
(:mod:`recsys_core.rewards.negatives`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.rewards.hard import Hardness, hardest
from recsys_core.rewards.ndcg import backward_ndcg, count_tokens, forward_ndcg, length_penalty
from recsys_core.rewards.negatives import Pool, draw_items, draw_users
from recsys_core.rewards.protocol import Judge, ListJudge
from recsys_core.rewards.ranking import ranked

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


__all__ = [
    "BumpConfig",
    "BumpReward",
    "BumpScores",
    "backward_ndcg",
    "bump_rewards",
    "bump_scores",
    "count_tokens",
    "forward_ndcg",
    "length_penalty",
]


class BumpConfig(BaseModel):
    """How a profile is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    negatives: int = Field(default=8, ge=1, le=1000)
    """K: foreign items (forward) or foreign profiles (backward) in a list; fewer where the batch has fewer."""
    shuffles: int = Field(default=2, ge=1, le=100)
    """M: orders in which a list is shown. A judge of pairs needs them for ties only."""
    draws: int = Field(default=1, ge=1, le=1000)
    """How often negatives are drawn anew, each with its shuffles; more draws measure the same with less noise."""
    token_budget: int = Field(default=120, ge=1)
    """Tokens that cost nothing."""
    length_weight: float = Field(default=1.0, ge=0)
    """What a profile of twice the budget costs; it grows linearly from the budget on."""
    forward_weight: float = Field(default=1.0, ge=0)
    """Weight of the forward direction in the total."""
    backward_weight: float = Field(default=1.0, ge=0)
    """Weight of the backward direction in the total."""
    hard_positives: int = Field(default=0, ge=0)
    """BUMP+: so many held-out items, the farthest from the visible history, are forward's positives; 0 takes all."""
    hard_negatives: bool = False
    """BUMP+: backward's foreign profiles are those of the nearest users instead of random ones."""
    seed: int = 0
    """Of draws and shuffles. The same users, items and seed give every profile the same negatives."""


class BumpReward(NamedTuple):
    """What one profile earned; NaN where there was nothing to rank (no held-out item, no negative)."""

    forward: float
    """Multi-positive NDCG of the user's items among foreign items, 0 to 1."""
    backward: float
    """NDCG of the user's profile among foreign profiles, 0 to 1."""
    length: float
    """Penalty for tokens beyond the budget, 0 or more."""
    total: float
    """Weighted sum of both directions, less the penalty."""


class BumpScores(NamedTuple):
    """:class:`BumpReward` of many profiles, as arrays in their order."""

    forward: Floats
    """float64[N]."""
    backward: Floats
    """float64[N]."""
    length: Floats
    """float64[N]."""
    total: Floats
    """float64[N]."""

    def rewards(self) -> list[BumpReward]:
        """One object a profile."""
        return [BumpReward(*map(float, row)) for row in zip(*self, strict=True)]


def bump_rewards(
    judge: Judge | ListJudge,
    profiles: Sequence[str],
    held_out: Sequence[Sequence[str]],
    *,
    owned: Sequence[Collection[str]] | None = None,
    owners: Sequence[int] | None = None,
    hard: Hardness | None = None,
    config: BumpConfig | None = None,
    count: Callable[[str], int] = count_tokens,
) -> list[BumpReward]:
    """:func:`bump_scores`, one object a profile."""
    return bump_scores(
        judge, profiles, held_out, owned=owned, owners=owners, hard=hard, config=config, count=count
    ).rewards()


def bump_scores(
    judge: Judge | ListJudge,
    profiles: Sequence[str],
    held_out: Sequence[Sequence[str]],
    *,
    owned: Sequence[Collection[str]] | None = None,
    owners: Sequence[int] | None = None,
    hard: Hardness | None = None,
    config: BumpConfig | None = None,
    count: Callable[[str], int] = count_tokens,
) -> BumpScores:
    """Reward of every profile, the batch's other users giving the negatives.

    Several profiles may belong to one user (candidates, rollouts): they face the same foreign items and users and are
    never each other's negatives.

    Args:
        judge: of pairs, asked twice for everything at once, or of lists, asked for every list.
        profiles: N texts.
        held_out: texts of the held-out items of each of U users.
        owned: further texts that each user has; without their visible history what they have seen already may stand
            against them as a foreign item.
        owners: user number of each profile; profile n belongs to user n when omitted.
        hard: for ``hard_positives`` and ``hard_negatives``.
        config: K, M, budget, weights, seed.
        count: tokens of a text.

    Returns:
        Arrays of length N.

    Raises:
        ValueError: owners or owned don't fit, or BUMP+ is asked for without ``hard``.
    """
    config = config or BumpConfig()
    users = len(held_out)
    owner = np.arange(len(profiles)) if owners is None else np.asarray(owners, dtype=np.int64)
    if len(owner) != len(profiles) or (len(owner) and (owner.min() < 0 or owner.max() >= users)):
        raise ValueError(f"{len(profiles)} profiles need an owner each among {users} users; {len(owner)} were given")
    if (config.hard_positives or config.hard_negatives) and hard is None:
        raise ValueError("hard positives and hard negatives need `hard` (recsys_core.rewards.hard.hardness)")
    length = length_penalty(np.array([count(text) for text in profiles]), config.token_budget, config.length_weight)
    if not profiles:
        return BumpScores(length, length, length, length)
    pool = Pool(held_out, owned)
    texts = held_out
    if hard is not None and config.hard_positives:
        texts = hardest(held_out, hard.distances, config.hard_positives)
    forward = _forward(judge, profiles, owner, pool, _positions(pool, texts), config)
    backward = _backward(judge, profiles, owner, pool, hard if config.hard_negatives else None, config)
    total = -length
    for weight, part in ((config.forward_weight, forward), (config.backward_weight, backward)):
        if weight:
            total = total + weight * part
    return BumpScores(forward, backward, length, total)


def _positions(pool: Pool, texts: Sequence[Sequence[str]]) -> Ints:
    number = {text: row for row, text in enumerate(pool.texts)}
    table = np.full(pool.positives.shape, -1, dtype=np.int64)
    for user, own in enumerate(texts):
        rows = [number[text] for text in dict.fromkeys(own)]
        table[user, : len(rows)] = rows
    return table


def _forward(
    judge: Judge | ListJudge, profiles: Sequence[str], owner: Ints, pool: Pool, positives: Ints, config: BumpConfig
) -> Floats:
    """float64[N]."""
    if not pool.texts:
        return np.full(len(profiles), np.nan)
    rng = np.random.default_rng([config.seed, 1])
    drawn = [np.concatenate([positives, draw_items(pool, config.negatives, rng)], axis=1) for _ in range(config.draws)]
    width = positives.shape[1]
    found = ranked(judge, profiles, pool.texts, "items", np.stack(drawn)[:, owner], width, config.shuffles, rng)
    held = positives[owner] >= 0
    gains = np.stack([forward_ndcg(ranks, held) for ranks in found])
    against = np.any(drawn[0][:, width:] >= 0, axis=1)[owner]
    return np.where(against, gains.mean(axis=0), np.nan)


def _backward(
    judge: Judge | ListJudge,
    profiles: Sequence[str],
    owner: Ints,
    pool: Pool,
    hard: Hardness | None,
    config: BumpConfig,
) -> Floats:
    """float64[N]."""
    rng = np.random.default_rng([config.seed, 2])
    of_user: list[list[int]] = [[] for _ in range(len(pool.positives))]
    for profile, user in enumerate(owner):
        of_user[user].append(profile)
    counts = np.array([len(rows) for rows in of_user])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    grouped = np.concatenate([np.array(rows, dtype=np.int64) for rows in of_user])
    # a list a pair of profile and held-out item of its user
    row, place = np.nonzero(pool.positives[owner] >= 0)
    if not len(row):
        return np.full(len(profiles), np.nan)
    drawn = []
    for _ in range(config.draws):
        foreign = draw_users(pool, config.negatives, rng, counts > 0, None if hard is None else hard.nearness)
        # which of a foreign user's profiles: one for all that meet this user in this draw
        pick = starts + np.floor(rng.random(len(counts)) * counts).astype(np.int64)
        chosen = np.where(foreign >= 0, grouped[np.minimum(pick, len(grouped) - 1)][foreign], -1)
        drawn.append(np.concatenate([row[:, None], chosen[owner[row], place]], axis=1))
    queries = [pool.texts[item] for item in pool.positives[owner[row], place]]
    found = ranked(judge, queries, profiles, "profiles", np.stack(drawn), 1, config.shuffles, rng)
    gains = (1.0 / np.log2(found[..., 0] + 1.0)).mean(axis=0)
    # an item against which nobody could lend a profile was not ranked
    against = (drawn[0][:, 1:] >= 0).any(axis=1).astype(np.float64)
    sums = np.bincount(row, weights=gains * against, minlength=len(profiles))
    many = np.bincount(row, weights=against, minlength=len(profiles))
    return np.asarray(np.divide(sums, many, where=many > 0, out=np.full(len(profiles), np.nan)))
