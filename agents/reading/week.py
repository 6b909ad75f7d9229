"""What somebody read, week by week: stimulus, share of loud texts, balance of emotions, by category."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from agents.store.reading import DiaryEntry
from recsys_core.emotion.classes import EMOTIONS
from recsys_core.emotion.measure import emotion_balance, high_stimulus_rate, stimulus

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNSORTED = "other"
"""Category of items whose catalogue names none."""


class Share(BaseModel):
    """Some texts of a week together."""

    model_config = ConfigDict(extra="forbid")

    items: int
    """How many were read."""
    stimulus: float
    """Mean stimulus of the texts as they were read, 0 to 1."""
    loud: int
    """How many were high-stimulus (from 0.5 on)."""
    loud_share: float
    """The same as a share, 0 to 1."""


class CategoryShare(Share):
    """Texts of one category."""

    category: str
    """Its name in the catalogue."""


class Week(Share):
    """One week, Monday to Sunday (UTC)."""

    begins: str
    """Its Monday, `2026-11-16`."""
    balance: float | None
    """Normalised entropy of the mean emotions: 1 when all six are alike, 0 when there is only one; null without any
    emotion. Our definition."""
    emotions: dict[str, float]
    """Mean probability of each emotion."""
    modes: dict[str, int]
    """How many were read in which mode."""
    categories: list[CategoryShare] = Field(default_factory=list)
    """By category, the most read first."""


def weeks(entries: Sequence[DiaryEntry]) -> list[Week]:
    """The weeks of a diary that hold anything, oldest first.

    Args:
        entries: the diary.
    """
    by_week: dict[str, list[DiaryEntry]] = {}
    for entry in entries:
        by_week.setdefault(week_of(entry.day), []).append(entry)
    return [_week(begins, by_week[begins]) for begins in sorted(by_week)]


def week_of(day: int) -> str:
    """The Monday of a day's week.

    Args:
        day: whole days since 1970-01-01 UTC.
    """
    date = _EPOCH + timedelta(days=day)
    return (date - timedelta(days=date.weekday())).date().isoformat()


def _week(begins: str, entries: list[DiaryEntry]) -> Week:
    probabilities = np.array([entry.emotions for entry in entries], dtype=np.float32)
    by_category: dict[str, list[DiaryEntry]] = {}
    for entry in entries:
        by_category.setdefault(entry.category or UNSORTED, []).append(entry)
    categories = [CategoryShare(category=name, **_share(some)) for name, some in by_category.items()]
    categories.sort(key=lambda each: (-each.items, each.category))
    modes: dict[str, int] = {}
    for entry in entries:
        modes[entry.mode] = modes.get(entry.mode, 0) + 1
    even = emotion_balance(probabilities)
    return Week(
        begins=begins,
        **_share(entries),
        balance=None if math.isnan(even) else round(even, 4),
        emotions={
            name: round(float(value), 4) for name, value in zip(EMOTIONS, probabilities.mean(axis=0), strict=True)
        },
        modes=modes,
        categories=categories,
    )


def _share(entries: list[DiaryEntry]) -> dict[str, Any]:
    stimuli = stimulus(np.array([entry.emotions for entry in entries], dtype=np.float32))
    share = high_stimulus_rate(stimuli)
    return {
        "items": len(entries),
        "stimulus": round(float(stimuli.mean()), 4),
        "loud": round(share * len(entries)),
        "loud_share": round(share, 4),
    }
