"""A small made-up catalogue with a structure that a model can find: people like genres, and stay with them."""

from __future__ import annotations

import numpy as np
import polars as pl

from recsys_core.catalog.catalogue import ATTRIBUTE_PREFIX, Catalogue
from recsys_core.catalog.interactions import InteractionLog

GENRES = ("Drama", "Comedy", "Thriller", "Romance", "Science Fiction", "Documentary")
COUNTRIES = ("France", "Japan", "Brazil", "Kenya")
MAKERS = ("Northlight", "Harbour", "Meridian", "Old Mill", "Blue Door")
FIRST = ("Silent", "Golden", "Distant", "Broken", "Hidden", "Early", "Crimson", "Quiet", "Restless", "Paper")
SECOND = ("River", "Garden", "Signal", "Winter", "Harbour", "Letter", "Mirror", "Orchard", "Station", "Tide")


def synthetic(n_items: int = 60, n_users: int = 40, seed: int = 0) -> tuple[Catalogue, InteractionLog]:
    """Items of six genres and users who mostly stay with one or two of them; the same seed gives the same data.

    Args:
        n_items: at least 1.
        n_users: at least 0; each has between 1 and 20 interactions, no item twice.
        seed: of the random generator.

    Returns:
        A catalogue with fields of every kind (``genre`` and ``country`` tags, ``year`` and ``runtime`` numbers,
        ``maker`` string, ``family`` flag; the last three with gaps) and its interactions.
    """
    rng = np.random.default_rng(seed)
    main = rng.integers(len(GENRES), size=n_items)
    second = rng.integers(len(GENRES), size=n_items)
    has_second = rng.random(n_items) < 0.3
    genres = [
        list(dict.fromkeys([GENRES[a], GENRES[b]])) if both else [GENRES[a]]
        for a, b, both in zip(main, second, has_second, strict=True)
    ]
    countries = [[COUNTRIES[c]] for c in rng.integers(len(COUNTRIES), size=n_items)]
    years = rng.integers(1950, 2020, size=n_items)
    titles = [_title(i) for i in range(n_items)]
    frame = pl.DataFrame(
        {
            "id": [f"i{i}" for i in range(n_items)],
            "title": titles,
            "text": [
                f"A {year} {' and '.join(g).lower()} from {c[0]}."
                for year, g, c in zip(years, genres, countries, strict=True)
            ],
            f"{ATTRIBUTE_PREFIX}genre": pl.Series(genres, dtype=pl.List(pl.String)),
            f"{ATTRIBUTE_PREFIX}year": years,
            f"{ATTRIBUTE_PREFIX}country": pl.Series(countries, dtype=pl.List(pl.String)),
            f"{ATTRIBUTE_PREFIX}runtime": pl.Series(
                [float(v) if rng.random() < 0.9 else None for v in rng.integers(70, 180, size=n_items)],
                dtype=pl.Float64,
            ),
            f"{ATTRIBUTE_PREFIX}maker": pl.Series(
                [MAKERS[v] if rng.random() < 0.9 else None for v in rng.integers(len(MAKERS), size=n_items)],
                dtype=pl.String,
            ),
            f"{ATTRIBUTE_PREFIX}family": pl.Series(
                [bool(v) if rng.random() < 0.8 else None for v in rng.integers(2, size=n_items)], dtype=pl.Boolean
            ),
        }
    )
    return Catalogue(frame, item_noun="films"), _log(rng, main, n_users)


def _title(index: int) -> str:
    first, rest = index % len(FIRST), index // len(FIRST)
    name = f"{FIRST[first]} {SECOND[rest % len(SECOND)]}"
    part = rest // len(SECOND)
    return name if part == 0 else f"{name} {part + 1}"


def _log(rng: np.random.Generator, main: np.ndarray, n_users: int) -> InteractionLog:
    n_items = len(main)
    appeal = 1.0 / (1.0 + rng.permutation(n_items)) ** 0.6
    users: list[str] = []
    items: list[int] = []
    times: list[float] = []
    ratings: list[float] = []
    for user in range(n_users):
        taste = np.full(len(GENRES), 0.05)
        taste[rng.choice(len(GENRES), size=2, replace=False)] += (1.0, 0.5)
        weight = taste[main] * appeal
        length = min(n_items, int(rng.integers(5, 21)) if user % 10 else int(rng.integers(1, 4)))
        chosen = rng.choice(n_items, size=length, replace=False, p=weight / weight.sum())
        start = float(rng.integers(800_000_000, 900_000_000))
        users += [f"u{user}"] * length
        items += chosen.tolist()
        times += (start + np.cumsum(rng.integers(0, 3, size=length) * 60)).tolist()
        ratings += [float(min(5, 2 + 3 * (taste[main[i]] > 0.05) + rng.integers(0, 2))) for i in chosen]
    frame = pl.DataFrame(
        {
            "user_id": pl.Series(users, dtype=pl.String),
            "item": pl.Series(items, dtype=pl.Int64),
            "timestamp": pl.Series(times, dtype=pl.Float64),
            "value": pl.Series(ratings, dtype=pl.Float64),
            "kind": pl.Series(["rating"] * len(users), dtype=pl.String),
        }
    )
    return InteractionLog.from_frame(frame, n_items)
