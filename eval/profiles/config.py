"""What is measured, and of how many."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.rewards import BumpConfig


class ProfilesConfig(BaseModel):
    """Settings of ``sidra eval profiles``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: int | None = Field(default=300, ge=2)
    """People measured, a random sample; all when None."""
    users_llm: int = Field(default=100, ge=2)
    """So many of them also get profiles that a language model writes."""
    n: int = Field(default=4, ge=1, le=16)
    """Candidates of which the best is chosen."""
    few_llm: bool = False
    """Whether the language model also writes from at most five interactions; about as many calls again."""
    judge_users: int = Field(default=0, ge=0)
    """So many of the people with a model's profiles are also judged by the language model; 0 asks it nothing."""
    measure: BumpConfig = BumpConfig(draws=8)
    """K, M and draws of the judges of pairs."""
    llm_measure: BumpConfig = BumpConfig(negatives=4, shuffles=2)
    """The same of the language model as judge: short lists, since every list is a call."""
    seed: int = 0
    """Of everything random."""
    resamples: int = Field(default=2_000, ge=100)
    """Bootstrap resamples."""

    @property
    def plain(self) -> BumpConfig:
        """The measure under our seed, without BUMP+'s hardness; candidates are chosen by it."""
        return self.measure.model_copy(update={"hard_positives": 0, "hard_negatives": False, "seed": self.seed})
