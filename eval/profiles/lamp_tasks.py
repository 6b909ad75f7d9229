"""Tasks in the shape of LaMP (Salemi et al., arXiv 2304.11406), built from the data at hand.

LaMP asks what a text model gets right when it is told a profile: which tag of a list somebody would give (its second
task), which of two papers they would cite (its first), which score they would give (its third). Here: which genre the
next item has, which of nine tags of another field, and what it is rated. They are answered by a judge of pairs, so they
say what a profile tells, not how well a model writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.profiles.people import ItemTexts, Person
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.items import FieldKind
from recsys_core.profiles import Averages
from recsys_core.profiles.parts import Part, part_of
from recsys_core.profiles.past import RATED
from recsys_core.rewards import Judge

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

GENRES = 50
"""Most values to choose among."""
FOREIGN = 8
"""Foreign tags beside the right one."""


@dataclass(frozen=True)
class Choice:
    """Labels to choose from.

    Attributes:
        labels: every label there is.
        shown: int64[people, n], positions in ``labels``.
        right: bool[people, n]; a row without a right label is no question.
    """

    labels: list[str]
    shown: Ints
    right: NDArray[np.bool_]

    def of(self, people: Ints) -> Choice:
        """The questions of some people."""
        return Choice(self.labels, self.shown[people], self.right[people])


def genre_choice(averages: Averages, people: Sequence[Person]) -> Choice | None:
    """Which genre does the next item have? None for a catalogue without genres."""
    catalogue = averages.catalogue
    fields = [n for n, s in catalogue.fields.items() if part_of(s) is Part.genre and s.kind is FieldKind.tags]
    if not fields:
        return None
    field = max(fields, key=lambda name: catalogue.fields[name].coverage)
    labels = catalogue.fields[field].values[:GENRES]
    has = [set(map(str.casefold, catalogue.tags(field)[p.held[-1]])) for p in people]
    right = np.array([[label.casefold() in own for label in labels] for own in has], dtype=np.bool_)
    shown = np.tile(np.arange(len(labels)), (len(people), 1))
    return Choice(labels, shown, right.reshape(len(people), len(labels)))


def tag_choice(averages: Averages, people: Sequence[Person], seed: int) -> Choice | None:
    """Which of nine tags of one field does the next item have? None where no field but genres has tags.

    The right one is the item's rarest that other items have as well; the foreign ones are drawn as often as all users
    choose them, so that the common one isn't the right one by being common.
    """
    space = averages.space
    rng = np.random.default_rng([seed, 4])
    genres = {name for name, spec in averages.catalogue.fields.items() if part_of(spec) is Part.genre}
    field_of = np.array([tag.field for tag in space.tags], dtype=object)
    usable = np.array([tag.field not in genres for tag in space.tags], dtype=np.bool_)
    shown = np.zeros((len(people), FOREIGN + 1), dtype=np.int64)
    right = np.zeros(shown.shape, dtype=np.bool_)
    for row, person in enumerate(people):
        own = averages.tags[person.held[-1]].indices
        told = own[usable[own]] if len(own) else own
        if not len(told):
            continue
        best = int(told[np.argmin(averages.tag_shares[told])])
        others = np.setdiff1d(np.flatnonzero(field_of == field_of[best]), own)
        if len(others) < FOREIGN:
            continue
        weights = averages.tag_shares[others] / averages.tag_shares[others].sum()
        shown[row] = [best, *rng.choice(others, FOREIGN, replace=False, p=weights)]
        right[row, 0] = True
    return Choice([tag.value for tag in space.tags], shown, right) if right.any() else None


def accuracy(judge: Judge, profiles: Sequence[str], choice: Choice) -> Floats:
    """float64[people]: 1 where the best-fitting label is right, ties earning their share; NaN: no question.

    A label's fit is held against its mean over all people: some words ("Film-Noir") lie near every profile, and taken
    as they are they would be answered for nearly everybody, which is worse than chance.
    """
    used, places = np.unique(choice.shown, return_inverse=True)
    table = judge.scores(profiles, [choice.labels[n] for n in used]).astype(np.float64)
    # rounded, so that labels that fit alike still tie
    table = np.round(table - table.mean(axis=0), 7)
    scores = np.take_along_axis(table, places.reshape(choice.shown.shape), axis=1)
    top = scores == scores.max(axis=1, keepdims=True)
    hits = (top & choice.right).sum(axis=1) / top.sum(axis=1)
    return np.where(choice.right.any(axis=1), hits, np.nan)


class Ratings:
    """What people rate the next items: errors of a least-squares fit that knows means, with a profile's fit added.

    The fit is made on visible slices of all people and tested on held-out items.

    Args:
        log: the interactions.
        people: whose.
        texts: of items.
        train: int64 rows of the log that may be learned from.
    """

    def __init__(self, log: InteractionLog, people: Sequence[Person], texts: ItemTexts, train: Ints) -> None:
        values = log.values.astype(np.float64)
        total = float(values[train].mean())
        counts = np.bincount(log.items[train], minlength=log.n_items)
        sums = np.bincount(log.items[train], weights=values[train] - total, minlength=log.n_items)
        means = total + sums / (counts + 5.0)
        self._people = len(people)
        self._learn, self._test = (
            self._cases(log, people, means, held=False),
            self._cases(log, people, means, held=True),
        )
        self._texts = texts

    @staticmethod
    def rated(log: InteractionLog) -> bool:
        """Whether values of the log are ratings that differ."""
        kinds = {kind.casefold() for kind in log.kind_names}
        return bool(kinds & RATED) and len(log.values) > 0 and float(log.values.std()) > 0

    def errors(self, judge: Judge, profiles: Sequence[str]) -> Floats:
        """float64[people]: mean absolute error of each person's held-out ratings; NaN without one."""
        learn, test = self._features(judge, profiles, self._learn), self._features(judge, profiles, self._test)
        weights, *_ = np.linalg.lstsq(learn, self._learn[2], rcond=None)
        low, high = float(self._learn[2].min()), float(self._learn[2].max())
        errors = np.abs(np.clip(test @ weights, low, high) - self._test[2])
        who = self._test[0].astype(np.int64)
        many = np.bincount(who, minlength=self._people)
        sums = np.bincount(who, weights=errors, minlength=self._people)
        return np.asarray(np.divide(sums, many, where=many > 0, out=np.full(self._people, np.nan)))

    @staticmethod
    def _cases(
        log: InteractionLog, people: Sequence[Person], means: Floats, held: bool
    ) -> tuple[Ints, Ints, Floats, Floats]:
        """Person, item, rating and [1, mean of the person, mean of the item] of each case."""
        cases = []
        for row, person in enumerate(people):
            sequence = log.sequence(person.user)
            values = log.values[log.offsets[person.user] : log.offsets[person.user + 1]].astype(np.float64)
            told = len(person.told)
            own = float(values[:told].mean())
            span = range(told, told + len(person.chooses)) if not held else range(len(person.visible), len(sequence))
            cases += [(row, int(sequence[n]), float(values[n]), own) for n in span]
        who, items, rated, own_means = (np.array(column) for column in zip(*cases, strict=True))
        known = np.column_stack([np.ones(len(who)), own_means, means[items.astype(np.int64)]])
        return who.astype(np.int64), items.astype(np.int64), rated, known

    def _features(self, judge: Judge, profiles: Sequence[str], cases: tuple[Ints, Ints, Floats, Floats]) -> Floats:
        who, items, _, known = cases
        distinct, places = np.unique(items, return_inverse=True)
        fits = judge.scores(profiles, self._texts(distinct))[who, places]
        return np.column_stack([known, fits.astype(np.float64)])
