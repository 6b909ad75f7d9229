"""When profiles are written, and what that may cost."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from recsys_core.interests.shift import ShiftConfig


class ProfileConfig(BaseModel):
    """Limits of the profile agent."""

    model_config = ConfigDict(extra="forbid")

    candidates: int = Field(default=1, ge=1, le=16)
    """Candidates a refresh, one language-model call each; the best by the reward on the user's newest items is kept."""
    held_out: int = Field(default=3, ge=1, le=20)
    """So many of the newest items are kept from the candidates and judge them, where there is a choice to make."""
    others: int = Field(default=24, ge=4, le=500)
    """Other users whose items and rule-written profiles stand against a candidate."""
    refresh_after: int = Field(default=10, ge=1)
    """So many new items (interactions and thumbs) make a profile old."""
    shift: ShiftConfig = Field(default_factory=ShiftConfig)
    """When interest counts as moved, which makes a profile old as well."""
    seconds: float = Field(default=60.0, gt=0)
    """What a candidate may take."""
