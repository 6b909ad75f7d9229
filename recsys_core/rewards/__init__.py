"""How much a readable profile is worth, measured without labels (BUMP)."""

from recsys_core.rewards.bump import (
    BumpConfig,
    BumpReward,
    BumpScores,
    backward_ndcg,
    bump_rewards,
    bump_scores,
    forward_ndcg,
    length_penalty,
)
from recsys_core.rewards.protocol import Judge, ListJudge

__all__ = [
    "BumpConfig",
    "BumpReward",
    "BumpScores",
    "Judge",
    "ListJudge",
    "backward_ndcg",
    "bump_rewards",
    "bump_scores",
    "forward_ndcg",
    "length_penalty",
]
