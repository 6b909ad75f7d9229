"""What a profile may look like: sentences of a phrase and facts, and which step may follow which.

A policy that chose words freely would end in heaps of keywords, because a judge that compares vectors doesn't mind
them. This one chooses *phrases* and *facts*: each sentence opens with a phrase, names one or more of the user's own
facts that fit it, and ends. So whatever training does to the policy, a profile reads as sentences, says nothing that
the history doesn't hold, names nobody else's data, and names a fact once.

Actions are numbered 0 (end), 1 .. P (open phrase p), P + 1 .. P + S (name slot s).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

END = 0
"""The action that ends a profile."""

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Phrase(BaseModel):
    """How a sentence, or a further part of one, begins and ends, and which facts it takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: list[str] = Field(min_length=1)
    """Groups of the slots it takes."""
    opening: str
    """Words before the facts."""
    closing: str = ""
    """Words after them."""
    after: str = ""
    """Group whose sentence it goes on with; it begins a sentence of its own when empty."""
    most: PositiveInt = 6
    """At most so many facts."""


class Grammar(BaseModel):
    """All phrases of a policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phrases: list[Phrase] = Field(min_length=1)
    """In the order of their actions."""
    groups: list[str] = Field(min_length=1)
    """Groups of slots, in the order of their numbers."""

    def render(self, actions: Sequence[int], names: Sequence[str]) -> str:
        """The text of a plan, a sentence a line.

        Args:
            actions: as chosen; what follows the first :data:`END` is not read, nor is a phrase without a fact.
            names: how each slot is written.

        Raises:
            ValueError: a fact before any phrase, or a slot that isn't there.
        """
        parts: list[tuple[Phrase, list[str]]] = []
        for action in actions:
            if action == END:
                break
            if action <= len(self.phrases):
                parts.append((self.phrases[action - 1], []))
                continue
            slot = action - len(self.phrases) - 1
            if not parts or slot >= len(names):
                raise ValueError(f"action {action} names slot {slot} of {len(names)} in {len(parts)} phrases")
            parts[-1][1].append(names[slot])
        sentences: list[str] = []
        for phrase, facts in parts:
            if not facts:
                continue
            text = f"{phrase.opening} {listed(facts)}{phrase.closing}"
            if phrase.after and sentences:
                sentences[-1] += f" {text}"
            else:
                sentences.append(text)
        return "\n".join(f"{sentence}." for sentence in sentences)

    def number(self, group: str) -> int:
        """Number of a group; -1 for one that no phrase takes."""
        return self.groups.index(group) if group in self.groups else -1


def listed(values: Sequence[str]) -> str:
    """``a, b and c``."""
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}"


class Writing:
    """Which actions are allowed, for many profiles at once.

    Args:
        grammar: of all of them.
        slot_groups: int64[B, S], number of each slot's group in :attr:`Grammar.groups`, -1 for padding.
        twins: int64[B, S]; slots of one number say the same words, so only one of them may be named.
        longest: at most so many actions, the end included.
    """

    def __init__(self, grammar: Grammar, slot_groups: Ints, twins: Ints, longest: int) -> None:
        self._phrases, self._longest, self._twins = len(grammar.phrases), longest, twins
        takes = np.zeros((self._phrases, len(grammar.groups) + 1), dtype=np.bool_)  # the last column is padding
        for row, phrase in enumerate(grammar.phrases):
            takes[row, [grammar.number(group) for group in phrase.groups if group in grammar.groups]] = True
        self._fits = takes[:, slot_groups].transpose(1, 0, 2)
        self._most = np.array([p.most for p in grammar.phrases])
        follows = [[p.after == "" or p.after in q.groups for q in grammar.phrases] for p in grammar.phrases]
        self._follows = np.array(follows)
        self._begins = np.array([p.after == "" for p in grammar.phrases])
        rows = len(slot_groups)
        self._free = slot_groups >= 0
        self._unused = np.ones((rows, self._phrases), dtype=np.bool_)
        self._open = np.full(rows, -1)
        self._named = np.zeros(rows, dtype=np.int64)
        self.done: Mask = np.zeros(rows, dtype=np.bool_)
        """bool[B], which profiles have ended."""
        self._steps = 0

    def allowed(self) -> Mask:
        """bool[B, 1 + P + S]: what may come next; a profile that has ended can only end again."""
        every = np.arange(len(self.done))
        inside = self._open >= 0
        told = ~inside | (self._named > 0)
        # as many facts as the open phrase takes
        fits = self._fits[every, self._open] & self._free & (inside & (self._named < self._most[self._open]))[:, None]
        # a phrase is worth opening while there is a fact for it, and room for the fact and the end
        room = self._longest - self._steps >= 3
        useful = (self._fits & self._free[:, None, :]).any(2)
        follows = np.where(inside[:, None], self._follows[:, self._open].T, self._begins)
        opens = useful & self._unused & follows & told[:, None] & room
        mask = np.concatenate([told[:, None], opens, fits], axis=1)
        # an empty profile only where there is nothing to say
        mask[:, END] &= inside | ~opens.any(1)
        ends = self.done | (self._longest - self._steps <= 1)
        mask[ends, 1:], mask[ends, END] = False, True
        return mask

    def step(self, actions: Ints) -> None:
        """Take one action a profile, int64[B]."""
        live = ~self.done
        self.done |= actions == END
        rows = np.flatnonzero(live & (actions >= 1) & (actions <= self._phrases))
        self._open[rows], self._named[rows] = actions[rows] - 1, 0
        self._unused[rows, actions[rows] - 1] = False
        rows = np.flatnonzero(live & (actions > self._phrases))
        said = self._twins[rows, actions[rows] - 1 - self._phrases]
        self._free[rows] &= self._twins[rows] != said[:, None]
        self._named[rows] += 1
        self._steps += 1


def replay(grammar: Grammar, slot_groups: Ints, twins: Ints, actions: Ints, longest: int) -> Mask:
    """What was allowed before each of the actions: bool[B, T, 1 + P + S].

    Args:
        grammar: of the plans.
        slot_groups: int64[B, S].
        twins: int64[B, S].
        actions: int64[B, T], padded with :data:`END`.
        longest: as when they were chosen.
    """
    writing = Writing(grammar, slot_groups, twins, longest)
    masks = []
    for column in actions.T:
        masks.append(writing.allowed())
        writing.step(column)
    return np.stack(masks, axis=1)
