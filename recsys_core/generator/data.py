"""Training batches: pieces of user histories, each with an instruction and the targets that it implies.

A plain piece predicts the next item. A piece with a condition predicts, at every position, the *next item that
satisfies the condition*: every target obeys the instruction, which is how the model learns that words bind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.generator.instructions import Condition, moment_mask
from recsys_core.generator.protocol import Task

Ints = NDArray[np.int64]

LOOK_AHEAD = 50
"""How many items beyond its own end a piece may look for an item that satisfies its condition."""

PLAIN = -1
"""Wording row of a piece without any instruction."""


class Batch(NamedTuple):
    """One training step.

    Attributes:
        history: int64[B, T] item indices, right-padded with -1.
        instruction: int64[B], row of the wording vectors; -1 = none.
        own_text: int64[B], item whose text vector stands in for the instruction; -1 = none.
        targets: int64[B, T + 1] item indices; -1 = nothing to learn here.
        conditioned: bool[B], whether the instruction names a condition that the targets satisfy.
        values: float32[B, T + 1], value of the interaction with each target; None where nobody asked.
    """

    history: Ints
    instruction: Ints
    own_text: Ints
    targets: Ints
    conditioned: NDArray[np.bool_]
    values: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Sequences:
    """Ragged training histories: user u owns ``items[offsets[u]:offsets[u + 1]]``, oldest first.

    Attributes:
        offsets: int64[n_users + 1].
        items: int64[n] item indices.
        timestamps: float64[n] seconds since 1970, UTC.
        values: float32[n], rating or count of each interaction; None when all are alike.
    """

    offsets: Ints
    items: Ints
    timestamps: NDArray[np.float64]
    values: NDArray[np.float32] | None = None

    def value(self, start: int, stop: int) -> NDArray[np.float32]:
        """Values of interactions ``start`` to ``stop - 1``: float32[stop - start]."""
        return np.ones(stop - start, dtype=np.float32) if self.values is None else self.values[start:stop]


class InstructionSampler:
    """Chooses an instruction for a piece of history.

    Args:
        conditions: everything that can be asked.
        first_row: row of each condition's first wording in the table of wording vectors.
        for_you_rows: rows of the plain wordings (``PLAIN`` for silence).
        near_items: int64[n_items, m], each item with its nearest items by text (itself included).
        item_conditions: per item, the conditions that it satisfies.
    """

    def __init__(self, conditions: Sequence[Condition], first_row: Ints, for_you_rows: Ints, near_items: Ints) -> None:
        self.conditions = list(conditions)
        self.first_row = first_row
        self.for_you_rows = for_you_rows
        self.near_items = near_items
        with_items = [n for n, c in enumerate(conditions) if c.items is not None and c.task is not Task.long_tail]
        self.item_conditions = _conditions_by_item(self.conditions, with_items, len(near_items))
        self.is_category = np.array([c.task is Task.category for c in self.conditions], dtype=bool)
        self.grounded = np.array(with_items, dtype=np.int64)
        self.general = [n for n, c in enumerate(conditions) if n not in set(with_items)]

    def plain(self, rng: np.random.Generator) -> int:
        """Wording row of a request without a condition."""
        return int(rng.choice(self.for_you_rows))

    def grounding(self, count: int, rng: np.random.Generator) -> tuple[Ints, NDArray[np.bool_]]:
        """Wordings and what they mean: rows int64[g] and bool[g, n_items] (g may be 0).

        One in eight is a plain request without a condition, which every item fits.
        """
        spoken = self.for_you_rows[self.for_you_rows >= 0]
        if not len(self.grounded) or not len(spoken):
            return np.empty(0, np.int64), np.empty((0, len(self.near_items)), bool)
        plain = count // 8
        broad = self.grounded[self.is_category[self.grounded]]
        half = rng.choice(broad if len(broad) else self.grounded, size=(count - plain) // 2)
        chosen = np.concatenate([half, rng.choice(self.grounded, size=count - plain - len(half))])
        rows = [self.row(int(c), rng) for c in chosen] + rng.choice(spoken, size=plain).tolist()
        masks = [m for c in chosen.tolist() if (m := self.conditions[c].items) is not None]
        everything = np.ones((plain, len(self.near_items)), dtype=bool)
        return np.array(rows, dtype=np.int64), np.concatenate([np.stack(masks), everything])

    def row(self, condition: int, rng: np.random.Generator) -> int:
        """One of a condition's wordings."""
        return int(self.first_row[condition] + rng.integers(len(self.conditions[condition].wordings)))

    def for_items(self, items: Ints, rng: np.random.Generator) -> int | None:
        """A condition that at least one of the items satisfies, if there is one.

        Conditions are drawn evenly, not by how many items satisfy them: a rare category must be learned as well as a
        common one. Plain categories come up more often than conjunctions or one director among a hundred.
        """
        lists = [self.item_conditions[i] for i in items.tolist()]
        own = np.unique(np.concatenate(lists)) if lists else np.empty(0, np.int64)
        if not len(own):
            return None
        broad = own[self.is_category[own]]
        return int(rng.choice(broad if len(broad) and rng.random() < 0.6 else own))


def _conditions_by_item(conditions: Sequence[Condition], chosen: Sequence[int], n_items: int) -> list[Ints]:
    rows: list[list[int]] = [[] for _ in range(n_items)]
    for number in chosen:
        mask = conditions[number].items
        if mask is None:
            continue
        for item in np.flatnonzero(mask):
            rows[item].append(number)
    return [np.array(r, dtype=np.int64) for r in rows]


def pieces(sequences: Sequences, window: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Cut every history into pieces of up to ``window + 1`` items, shifted by a random offset.

    Returns:
        ``(start, stop, end_of_user)`` positions in ``sequences.items``.
    """
    found = []
    for low, high in zip(sequences.offsets[:-1].tolist(), sequences.offsets[1:].tolist(), strict=True):
        length = high - low
        first = window + 1 if length <= window + 1 else int(rng.integers(1, window + 2))
        start = low
        while start < high:
            stop = min(start + first, high)
            found.append((start, stop, high))
            start, first = stop, window + 1
    return found


def next_satisfying(satisfies: NDArray[np.bool_], items: Ints, length: int) -> Ints:
    """For positions 0 to length - 1, the first item at or after it that satisfies: int64[length], -1 = none."""
    places = next_places(satisfies, length)
    return np.where(places >= 0, items[places], -1)


def next_places(satisfies: NDArray[np.bool_], length: int) -> Ints:
    """For positions 0 to length - 1, the first place at or after it that satisfies: int64[length], -1 = none."""
    marks = np.where(satisfies, np.arange(len(satisfies)), len(satisfies))
    following = np.minimum.accumulate(marks[::-1])[::-1][:length]
    return np.where(following < len(satisfies), following, -1)


def epoch_batches(
    sequences: Sequences,
    sampler: InstructionSampler,
    top_attribute: NDArray[np.int64],
    *,
    window: int,
    batch_positions: int,
    instruction_share: float,
    rng: np.random.Generator,
    silent_share: float = 0.0,
) -> Iterator[Batch]:
    """All of one epoch's batches, shuffled, of pieces of like length.

    Args:
        sequences: training histories.
        sampler: chooses instructions.
        top_attribute: int64[n_items], a broad class of each item (for "something different"); -1 = unknown.
        window: longest history.
        batch_positions: positions in a batch.
        instruction_share: share of pieces with a condition.
        rng: decides everything.
        silent_share: share of plain pieces that are never given words; the others may be.
    """
    cut = pieces(sequences, window, rng)
    lengths = np.array([stop - start for start, stop, _ in cut])
    order = np.lexsort((rng.random(len(cut)), lengths))
    groups: list[list[int]] = [[]]
    for number in order[::-1]:
        longest = lengths[groups[-1][0]] if groups[-1] else lengths[number]
        if (len(groups[-1]) + 1) * longest > batch_positions and groups[-1]:
            groups.append([])
        groups[-1].append(int(number))
    rng.shuffle(groups)
    for group in groups:
        yield _batch([cut[n] for n in group], sequences, sampler, top_attribute, instruction_share, silent_share, rng)


def _batch(
    group: list[tuple[int, int, int]],
    sequences: Sequences,
    sampler: InstructionSampler,
    top_attribute: NDArray[np.int64],
    instruction_share: float,
    silent_share: float,
    rng: np.random.Generator,
) -> Batch:
    longest = max(stop - start for start, stop, _ in group)
    history = np.full((len(group), longest - 1), -1, dtype=np.int64)
    targets = np.full((len(group), longest), -1, dtype=np.int64)
    instruction = np.full(len(group), PLAIN, dtype=np.int64)
    own_text = np.full(len(group), -1, dtype=np.int64)
    values = np.ones(targets.shape, dtype=np.float32)
    conditioned = np.zeros(len(group), dtype=bool)
    for row, (start, stop, high) in enumerate(group):
        length = stop - start
        items = sequences.items[start:stop]
        history[row, : length - 1] = items[:-1]
        beyond = slice(start, min(stop + LOOK_AHEAD, high))
        ahead = sequences.items[beyond]
        if rng.random() >= instruction_share:
            instruction[row] = PLAIN if rng.random() < silent_share else sampler.plain(rng)
            targets[row, :length] = items
            values[row, :length] = sequences.value(start, stop)
            continue
        wording, text_item, satisfies = _condition(ahead, sequences.timestamps[beyond], sampler, top_attribute, rng)
        instruction[row], own_text[row] = wording, text_item
        conditioned[row] = not satisfies.all()
        places = next_places(satisfies, length)
        targets[row, :length] = np.where(places >= 0, ahead[places], -1)
        values[row, :length] = sequences.value(beyond.start, beyond.stop)[places]
    return Batch(history, instruction, own_text, targets, conditioned, values)


def _condition(
    ahead: Ints,
    timestamps: NDArray[np.float64],
    sampler: InstructionSampler,
    top_attribute: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[int, int, NDArray[np.bool_]]:
    """An instruction that at least one of the items ahead satisfies: (wording row, text item, bool[len(ahead)])."""
    everything = np.ones(len(ahead), dtype=bool)
    dice = rng.random()
    item = int(rng.choice(ahead))
    if dice < 0.1:
        # a description in free words: the item's own text asks for it and for its nearest kin
        return PLAIN, item, np.isin(ahead, sampler.near_items[item])
    if dice < 0.25 and sampler.general:
        number = int(rng.choice(sampler.general))
        condition = sampler.conditions[number]
        satisfies = _general_mask(condition, ahead, timestamps, top_attribute)
        if satisfies.any():
            return sampler.row(number, rng), -1, satisfies
        return sampler.plain(rng), -1, everything
    chosen = sampler.for_items(ahead, rng)
    if chosen is None:
        return sampler.plain(rng), -1, everything
    mask = sampler.conditions[chosen].items
    return sampler.row(chosen, rng), -1, everything if mask is None else mask[ahead]


def _general_mask(
    condition: Condition, ahead: Ints, timestamps: NDArray[np.float64], top_attribute: NDArray[np.int64]
) -> NDArray[np.bool_]:
    if condition.items is not None:
        return condition.items[ahead]
    if condition.task is Task.discover:
        classes = top_attribute[ahead]
        usual = np.bincount(classes[classes >= 0], minlength=1).argmax()
        return np.asarray((classes >= 0) & (classes != usual), dtype=bool)
    return moment_mask(condition, timestamps)
