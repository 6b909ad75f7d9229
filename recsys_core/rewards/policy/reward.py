"""The reward of profiles that several are written of each user: BUMP in both directions, less length and copying."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.profiles import count_tokens
from recsys_core.rewards import BumpConfig, Judge, ListJudge, bump_scores
from recsys_core.rewards.policy.cases import Case
from recsys_core.rewards.policy.guards import Guard, LeakError

Floats = NDArray[np.float64]


class Rewards(NamedTuple):
    """Of N profiles, float64[N] all, in their order.

    Attributes:
        total: what is learned from.
        forward: NDCG of the own items among foreign ones.
        backward: NDCG of the profile among foreign ones, asked by the own items.
        length: taken off for tokens beyond the budget.
        copied: how many visible titles are given word for word.
        leaked: 1 where a target is named, else 0.
        over_length: 1 beyond the budget, else 0.
        empty: 1 where nothing is said, else 0.
        leak: a sentence about the first leak; empty when there is none.
    """

    total: Floats
    forward: Floats
    backward: Floats
    length: Floats
    copied: Floats
    leaked: Floats
    over_length: Floats
    empty: Floats
    leak: str

    def means(self) -> dict[str, float]:
        """Means by name; ``copied`` is the share of profiles with a copied title."""
        return {
            "reward": float(self.total.mean()),
            "forward": float(self.forward.mean()),
            "backward": float(self.backward.mean()),
            "length": float(self.length.mean()),
            "copied": float((self.copied > 0).mean()),
            "leaked": float(self.leaked.mean()),
            "over_length": float(self.over_length.mean()),
            "empty": float(self.empty.mean()),
        }


class ProfileReward:
    """Scores profiles and watches them.

    Args:
        judge: who ranks.
        guard: who watches.
        config: of the BUMP reward; its seed is set anew for every batch.
        title_penalty: taken off for each copied title beyond ``titles``.
        titles: so many may be given.
    """

    def __init__(
        self,
        judge: Judge | ListJudge,
        guard: Guard,
        config: BumpConfig | None = None,
        *,
        title_penalty: float = 0.5,
        titles: int = 0,
    ) -> None:
        self.judge, self._guard, self._config = judge, guard, config or BumpConfig()
        self._title_penalty, self._titles = title_penalty, titles

    def __call__(
        self, cases: Sequence[Case], texts: Sequence[str], owners: Sequence[int], *, seed: int, draws: int | None = None
    ) -> Rewards:
        """Rewards of a batch; its other users give the negatives.

        A profile that names what it is to predict earns nothing in either direction.

        Args:
            cases: one a user.
            texts: profiles, as written, before anything is cut.
            owners: which case each is of.
            seed: of the negatives; profiles of one user meet the same ones.
            draws: how often negatives are drawn; as configured when None.
        """
        update = {"seed": seed} if draws is None else {"seed": seed, "draws": draws}
        scores = bump_scores(
            self.judge,
            texts,
            [case.targets for case in cases],
            owners=owners,
            owned=[case.known for case in cases],
            config=self._config.model_copy(update=update),
            count=count_tokens,
        )
        copied, leaked, first = self._watched(cases, texts, owners)
        # nobody in the batch to be told from: chance in both directions teaches nothing
        forward, backward = (np.nan_to_num(part) for part in (scores.forward, scores.backward))
        earned = self._config.forward_weight * forward + self._config.backward_weight * backward
        beyond = np.maximum(0.0, copied - self._titles)
        return Rewards(
            total=np.where(leaked > 0, 0.0, earned) - scores.length - self._title_penalty * beyond,
            forward=forward,
            backward=backward,
            length=scores.length,
            copied=copied,
            leaked=leaked,
            over_length=(scores.length > 0).astype(np.float64),
            empty=np.array([not text.strip() for text in texts], dtype=np.float64),
            leak=first,
        )

    def _watched(
        self, cases: Sequence[Case], texts: Sequence[str], owners: Sequence[int]
    ) -> tuple[Floats, Floats, str]:
        copied, leaked, first = np.zeros(len(texts)), np.zeros(len(texts)), ""
        names = [[slot.name for slot in case.slots if slot.group != "title"] for case in cases]
        for row, (text, owner) in enumerate(zip(texts, owners, strict=True)):
            visible = cases[owner].visible
            copied[row] = len(self._guard.copied(visible, text, names[owner]))
            title = self._guard.leaked(visible, text, names[owner])
            if title is not None:
                leaked[row] = 1
                first = first or f"user {visible.user!r}: the profile names {title!r}, which it is to predict"
        return copied, leaked, first


def stop_at_leaks(rewards: Rewards, rate: float) -> None:
    """End a run in which more than this share of the profiles leak.

    Raises:
        LeakError: says who and what.
    """
    share = float(rewards.leaked.mean()) if len(rewards.leaked) else 0.0
    if share > rate:
        raise LeakError(
            f"{share:.1%} of the profiles of a batch leak, {rate:.1%} may; {rewards.leak}. "
            "Nothing that was learned from here on could be trusted"
        )
