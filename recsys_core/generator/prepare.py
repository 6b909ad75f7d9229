"""From a catalogue and a split to everything that training reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.baselines.popularity import popularity
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind
from recsys_core.catalog.splits import Split
from recsys_core.encoders.content import has_words
from recsys_core.generator.data import PLAIN, InstructionSampler, Ints, Sequences
from recsys_core.generator.instructions import (
    FOR_YOU_WORDINGS,
    Condition,
    attribute_conditions,
    general_conditions,
    pair_conditions,
)
from recsys_core.generator.train import TrainingData

EncodeTexts = Callable[[Sequence[str]], NDArray[np.float32]]
"""Sentences to float32[n, d_text] with rows of length 1."""

OLDEST_MOMENT = 365.25 * 86_400 * 5
"""A log whose last timestamp is earlier, seconds since 1970, counts positions, not time."""

NEAR_ITEMS = 20
"""How many items count as meant when an item's own text is the instruction."""


def training_conditions(
    catalogue: Catalogue, counts: NDArray[np.int64], seed: int, *, calendar: bool = True
) -> list[Condition]:
    """Every condition that training asks for: single attributes, pairs of them, and the general tasks.

    Where items have no words, attributes are numbers that nobody would name, and only the general tasks are left.

    Args:
        catalogue: the items.
        counts: int64[n_items], training interactions.
        seed: of the pairs.
        calendar: whether timestamps are real, so that seasons and holidays mean something.
    """
    singles = attribute_conditions(catalogue) if has_words(catalogue) else []
    pairs = pair_conditions(singles, catalogue.item_noun, np.random.default_rng(seed))
    general = general_conditions(catalogue, counts)
    return [*singles, *pairs, *(c for c in general if calendar or not (c.months or c.window))]


def has_calendar(timestamps: NDArray[np.float64]) -> bool:
    """Whether timestamps are moments, not mere positions: a log that tells only order ends soon after 1970 began."""
    return bool(len(timestamps)) and float(timestamps.max()) >= OLDEST_MOMENT


def broad_class(catalogue: Catalogue) -> Ints:
    """A broad class of each item: its most frequent value of the first tags or string field of few values.

    Returns:
        int64[n_items]; -1 where the item has no value or the catalogue no such field.
    """
    classes = np.full(len(catalogue), -1, dtype=np.int64)
    for name, spec in catalogue.fields.items():
        if spec.kind in (FieldKind.tags, FieldKind.string) and 2 <= spec.distinct <= 100:
            rows = catalogue.postings(name).rows
            # the rarest value is written last and wins: it says more about the item than a common one
            for number, folded in enumerate(sorted(rows, key=lambda v: (-len(rows[v]), v))):
                classes[rows[folded]] = number
            break
    return classes


def nearest_by_text(text: NDArray[np.float32], count: int = NEAR_ITEMS, chunk: int = 1024) -> Ints:
    """Each item's nearest items by cosine, itself among them: float32[n, d] to int64[n, min(count, n)]."""
    count = min(count, len(text))
    parts = []
    for start in range(0, len(text), chunk):
        similarity = text[start : start + chunk] @ text.T
        parts.append(np.argpartition(-similarity, count - 1, axis=1)[:, :count])
    return np.concatenate(parts).astype(np.int64)


def centred(text: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take off the mean and bring rows back to length 1; MiniLM vectors of one catalogue share a large mean."""
    return centred_with(text, content_mean(text))


def content_mean(text: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean that :func:`centred` takes off: float32[n, d] to float32[1, d]."""
    return np.asarray(text.mean(axis=0, keepdims=True), dtype=np.float32)


def centred_with(text: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take off a given mean and bring rows back to length 1.

    Text vectors of new items go through this with the mean of the items that the model was trained on: a mean over old
    and new ones would move every old item.

    Args:
        text: float32[n, d].
        mean: float32[1, d], from :func:`content_mean`.
    """
    moved = text - mean
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(moved / np.maximum(norms, 1e-6), dtype=np.float32)


class Prepared(NamedTuple):
    """The instruction bank of a catalogue.

    Attributes:
        sampler: chooses instructions.
        wordings: every sentence, in the order of the sampler's rows.
        top_attribute: int64[n_items], broad class of each item.
    """

    sampler: InstructionSampler
    wordings: list[str]
    top_attribute: Ints


def prepare_sampler(catalogue: Catalogue, split: Split, text: NDArray[np.float32], *, seed: int) -> Prepared:
    """Build the instruction bank; arguments as in :func:`prepare_training`."""
    counts = popularity(split.train_items, len(catalogue))
    conditions = training_conditions(catalogue, counts, seed, calendar=has_calendar(split.log.timestamps))
    for_you = sorted({w for w in FOR_YOU_WORDINGS if w})
    lengths = np.array([len(c.wordings) for c in conditions], dtype=np.int64)
    first_row = len(for_you) + np.cumsum(lengths) - lengths
    silent = sum(1 for w in FOR_YOU_WORDINGS if not w)
    plain_rows = np.array([PLAIN] * silent + list(range(len(for_you))), dtype=np.int64)
    sampler = InstructionSampler(conditions, first_row, plain_rows, nearest_by_text(text))
    return Prepared(sampler, [*for_you, *(w for c in conditions for w in c.wordings)], broad_class(catalogue))


def prepare_training(
    catalogue: Catalogue,
    split: Split,
    text: NDArray[np.float32],
    encode_texts: EncodeTexts,
    *,
    seed: int,
    validate_users: int,
) -> TrainingData:
    """Build the instruction bank, encode its wordings and collect histories.

    Args:
        catalogue: the items.
        split: leave-last-out; only training items and validation targets are read.
        text: float32[n_items, d_text], rows of length 1.
        encode_texts: sentence encoder.
        seed: of pairs and of the choice of validated users.
        validate_users: how many users to validate on at most.
    """
    prepared = prepare_sampler(catalogue, split, text, seed=seed)
    chosen = np.arange(len(split.users))
    if len(chosen) > validate_users:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, size=validate_users, replace=False))
    return TrainingData(
        sequences=Sequences(
            split.train_offsets,
            split.train_items,
            split.log.timestamps[split.train_rows],
            split.log.values[split.train_rows],
        ),
        sampler=prepared.sampler,
        wordings=np.asarray(encode_texts(prepared.wordings), dtype=np.float32),
        text=text,
        top_attribute=prepared.top_attribute,
        validation_histories=[split.validation_history(int(u)) for u in split.users[chosen]],
        validation_targets=split.validation_items[chosen],
    )
