"""What a history says about its user, as figures: no language model, no guessing.

Liked and disliked are told apart in code (:mod:`recsys_core.profiles.past`); so are genres, creators, eras and title
words that the user chooses more often than everybody does, when they were active, and where interest has been moving.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys_core.interests.shift import ShiftConfig, shift
from recsys_core.profiles.averages import Averages
from recsys_core.profiles.parts import Part
from recsys_core.profiles.past import Opinions, Past, opinions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAY = 86_400.0
_REAL_TIME = 10 * 365 * _DAY
"""Times before 1980 are places in an order, not dates."""


class FactsConfig(BaseModel):
    """How facts are worked out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    half_life: float = Field(default=40.0, gt=0)
    """An item so many places older weighs half."""
    met_weight: float = Field(default=0.8, ge=0, le=1)
    """Weight of an item that was neither liked nor disliked, beside 1 for a liked one."""
    disliked_weight: float = Field(default=0.4, ge=0, le=1)
    """Weight of a disliked item for what is *chosen*: it drew them, even if it disappointed."""
    prior: float = Field(default=2.0, ge=0)
    """So many items chosen as everybody chooses are added to the history, so that one item is no preference."""
    values: int = Field(default=8, ge=1, le=50)
    """Values listed of each part."""
    listed: int = Field(default=10, ge=1, le=100)
    """Items listed as liked, disliked and newest."""
    newest: int = Field(default=10, ge=2, le=1000)
    """So many of the newest items are where interest is now; those before them, where it was."""
    least_drift: int = Field(default=20, ge=4)
    """A shorter history has no drift."""


class ItemFact(BaseModel):
    """An item of the history."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    """Catalogue id."""
    title: str
    """Its title: somebody else's words, not to be taken for orders."""
    value: float
    """Rating or count that it was given last; 1 when there is no degree."""


class ValueFact(BaseModel):
    """A value that the user chooses more (or less) often than everybody does."""

    model_config = ConfigDict(extra="forbid")

    field: str
    """Field of the catalogue; ``title`` for a word of titles."""
    value: str
    """The value, or a decade such as ``1990s``."""
    count: int
    """How many items of the history have it, each once."""
    share: float
    """Share of the history that has it, newer and liked items weighing more, 0 to 1."""
    base: float
    """Share of all users' choices that has it, 0 to 1."""
    liking: float = 0.0
    """Among the rated: share of liked minus share of disliked items that have it, -1 to 1; 0 when nothing was told."""

    @property
    def lift(self) -> float:
        """How many times more often than everybody."""
        return self.share / self.base if self.base > 0 else float("inf")


class Tempo(BaseModel):
    """When the user was active."""

    model_config = ConfigDict(extra="forbid")

    days: float
    """From the first to the last interaction, in days; 0 where times are only an order."""
    active_days: int
    """Days with at least one interaction; 0 where times are only an order."""
    per_active_day: float
    """Interactions on such a day."""


class Drift(BaseModel):
    """Where interest has been moving."""

    model_config = ConfigDict(extra="forbid")

    shift: float
    """How far, 0 to 1 (:func:`recsys_core.interests.shift.shift`)."""
    moved: bool
    """Whether that is beyond the threshold."""
    rising: list[str]
    """Values that the newest items have more often than those before."""
    fading: list[str]
    """Values that they have less often."""


class HistoryFacts(BaseModel):
    """Everything that is told of a history."""

    model_config = ConfigDict(extra="forbid")

    noun: str
    """What the catalogue calls its items, in the plural."""
    interactions: int
    """Length of the history, repeats included."""
    items: int
    """Distinct items in it that the catalogue still has, thumbs included."""
    rated: bool
    """Whether ratings tell liked from disliked."""
    liked: list[ItemFact] = Field(default_factory=list)
    """Liked items: best first, of equals the newest."""
    disliked: list[ItemFact] = Field(default_factory=list)
    """Likewise, worst first."""
    recent: list[ItemFact] = Field(default_factory=list)
    """The newest items, newest first, each once."""
    genres: list[ValueFact] = Field(default_factory=list)
    """Kinds of item chosen more than by everybody, the most telling first."""
    creators: list[ValueFact] = Field(default_factory=list)
    """Likewise, makers, brands, writers and performers; at least two items each."""
    eras: list[ValueFact] = Field(default_factory=list)
    """Likewise, decades."""
    places: list[ValueFact] = Field(default_factory=list)
    """Likewise, countries."""
    languages: list[ValueFact] = Field(default_factory=list)
    """Likewise, languages."""
    others: list[ValueFact] = Field(default_factory=list)
    """Likewise, values of all other fields."""
    subjects: list[ValueFact] = Field(default_factory=list)
    """Likewise, words of titles; at least two items each."""
    avoided: list[ValueFact] = Field(default_factory=list)
    """Genres chosen clearly less often than by everybody, or disliked when chosen; the clearest first."""
    tempo: Tempo | None = None
    """When; None for an empty history."""
    drift: Drift | None = None
    """Where to; None for a short history."""

    @property
    def known(self) -> bool:
        """False for somebody without any item: a cold start."""
        return self.items > 0


def history_facts(averages: Averages, past: Past, config: FactsConfig | None = None) -> HistoryFacts:
    """The facts of one user. Withdrawn items aren't named and don't count.

    Args:
        averages: of the catalogue, with the choices of all users.
        past: the user's interactions and thumbs.
        config: weights and limits.
    """
    config = config or FactsConfig()
    catalogue = averages.catalogue
    opinion = _offered(opinions(past), catalogue.offered)
    facts = HistoryFacts(
        noun=catalogue.item_noun, interactions=len(past), items=len(opinion.items), rated=opinion.rated
    )
    if not len(opinion.items):
        return facts
    weights = _weights(opinion, config)
    held = _Held.of(averages.tags, opinion.items)
    told = _told(averages, held, opinion, weights, config)
    named = {part: told.of_part(averages, part, config.values) for part in Part}
    return facts.model_copy(
        update={
            "liked": _items(averages, _ranked(opinion, 1), opinion, config.listed),
            "disliked": _items(averages, _ranked(opinion, -1), opinion, config.listed),
            "recent": _items(averages, opinion.items[::-1], opinion, config.listed),
            "genres": named[Part.genre],
            "creators": named[Part.creator],
            "eras": named[Part.era],
            "places": named[Part.place],
            "languages": named[Part.language],
            "others": named[Part.other],
            "subjects": _subjects(averages, opinion, weights, told, config),
            "avoided": _avoided(averages, told, len(opinion.items), config),
            "tempo": _tempo(past.times),
            "drift": _drift(averages, held, opinion.items, config),
        }
    )


class _Held(NamedTuple):
    """Which columns of a table the items of a history have: the same as a slice of it, without making one."""

    rows: Ints
    columns: Ints
    width: int

    @classmethod
    def of(cls, table: sparse.csr_matrix, items: Ints) -> _Held:
        starts = table.indptr[items].astype(np.int64)
        lengths = table.indptr[items + 1].astype(np.int64) - starts
        rows = np.repeat(np.arange(len(items)), lengths)
        begins = np.cumsum(lengths) - lengths
        places = np.arange(len(rows)) - begins[rows] + starts[rows]
        return cls(rows, table.indices[places].astype(np.int64), int(table.shape[1]))

    def sums(self, weights: Floats) -> Floats:
        """float64[width]: weight of the rows that have each column."""
        return np.bincount(self.columns, weights=weights[self.rows], minlength=self.width).astype(np.float64)


class _Told(NamedTuple):
    """Figures of every tag under one history, float64[n_tags] each, and the tags worth telling of, best first."""

    counts: Floats
    shares: Floats
    liking: Floats
    order: list[int]

    def of_part(self, averages: Averages, part: Part, most: int) -> list[ValueFact]:
        wanted = averages.tag_parts[part]
        least = 2 if part is Part.creator else 1
        found = [n for n in self.order if wanted[n] and self.counts[n] >= least]
        return [self.fact(averages, n) for n in found[:most]]

    def fact(self, averages: Averages, n: int) -> ValueFact:
        tag = averages.space.tags[n]
        return ValueFact(
            field=tag.field,
            value=tag.value,
            count=int(self.counts[n]),
            share=round(float(self.shares[n]), 4),
            base=round(float(averages.tag_shares[n]), 6),
            liking=round(float(self.liking[n]), 4),
        )


def _offered(opinion: Opinions, offered: NDArray[np.bool_]) -> Opinions:
    kept = offered[opinion.items]
    return Opinions(opinion.items[kept], opinion.values[kept], opinion.verdicts[kept], opinion.rated)


def _weights(opinion: Opinions, config: FactsConfig) -> Floats:
    ages = np.arange(len(opinion.items))[::-1]
    by_verdict = np.array([config.disliked_weight, config.met_weight, 1.0])[opinion.verdicts + 1]
    weights: Floats = by_verdict * 0.5 ** (ages / config.half_life)
    return weights


def _shares(held: _Held, weights: Floats, base: Floats, prior: float) -> Floats:
    """Weighted share of the rows that has each column, drawn toward everybody's by ``prior`` rows."""
    total = float(weights.sum()) + prior
    return (held.sums(weights) + prior * base) / max(total, 1e-12)


def _telling(shares: Floats, base: Floats) -> Floats:
    """How far above everybody's each share lies, the merely common and the merely rare both low: p log(p / q)."""
    return shares * np.log(np.maximum(shares, 1e-12) / np.maximum(base, 1e-12))


def _told(averages: Averages, held: _Held, opinion: Opinions, weights: Floats, config: FactsConfig) -> _Told:
    base = averages.tag_shares
    shares = _shares(held, weights, base, config.prior)
    worth = _telling(shares, base)
    counts = held.sums(np.ones(len(opinion.items)))
    known = np.flatnonzero((counts > 0) & (worth > 0))
    order = known[np.argsort(-worth[known], kind="stable")].tolist()
    return _Told(counts, shares, _liking(held, opinion), order)


def _liking(held: _Held, opinion: Opinions) -> Floats:
    up, down = opinion.verdicts > 0, opinion.verdicts < 0
    if not up.any() or not down.any():
        return np.zeros(held.width)
    liked: Floats = np.asarray(up / up.sum(), dtype=np.float64)
    disliked: Floats = np.asarray(down / down.sum(), dtype=np.float64)
    return np.subtract(held.sums(liked), held.sums(disliked))


def _subjects(
    averages: Averages, opinion: Opinions, weights: Floats, told: _Told, config: FactsConfig
) -> list[ValueFact]:
    held = _Held.of(averages.words, opinion.items)
    base = averages.word_shares
    counts = held.sums(np.ones(len(opinion.items)))
    shares = _shares(held, weights, base, config.prior)
    worth = _telling(shares, base)
    said = {word for n in told.order for word in averages.space.tags[n].value.casefold().split()}
    found: list[ValueFact] = []
    known = np.flatnonzero((counts >= 2) & (worth > 0))
    for n in known[np.argsort(-worth[known], kind="stable")].tolist():
        word = averages.spellings[n]
        if len(found) == config.values:
            break
        if word.casefold() not in said:
            found.append(
                ValueFact(
                    field="title",
                    value=word,
                    count=int(counts[n]),
                    share=round(float(shares[n]), 4),
                    base=round(float(base[n]), 6),
                )
            )
    return found


def _avoided(averages: Averages, told: _Told, items: int, config: FactsConfig) -> list[ValueFact]:
    """Genres that were to be expected often and weren't chosen, or were chosen and disliked."""
    if items < config.newest:
        return []
    base, shares = averages.tag_shares, told.shares
    genres = averages.tag_parts[Part.genre]
    # a value met with chance 1 in 20 and never chosen in 60 is avoided; in 10, it isn't
    rare = genres & (base * items >= 3) & (shares < 0.4 * base)
    disliked = genres & (told.counts >= 3) & (told.liking <= -0.15)
    missing = np.where(rare, base * np.log(np.maximum(base, 1e-12) / np.maximum(shares, 1e-12)), 0.0)
    worth = missing + np.where(disliked, -told.liking, 0.0)
    order = [int(n) for n in np.argsort(-worth, kind="stable")[: config.values] if worth[n] > 0]
    return [told.fact(averages, n) for n in order]


def _ranked(opinion: Opinions, verdict: int) -> Ints:
    """Items of a verdict, the clearest first, of equals the newest."""
    rows = np.flatnonzero(opinion.verdicts == verdict)
    values = opinion.values[rows] if opinion.rated else np.ones(len(rows))
    return opinion.items[rows[np.lexsort((-rows, -verdict * values))]]


def _items(averages: Averages, items: Ints, opinion: Opinions, most: int) -> list[ItemFact]:
    value = dict(zip(opinion.items.tolist(), opinion.values.tolist(), strict=True))
    catalogue = averages.catalogue
    return [
        ItemFact(item_id=catalogue.ids[i], title=catalogue.titles[i], value=value[i]) for i in items[:most].tolist()
    ]


def _tempo(times: Floats) -> Tempo | None:
    if not len(times):
        return None
    if float(times.min()) < _REAL_TIME:
        return Tempo(days=0.0, active_days=0, per_active_day=0.0)
    active = len(np.unique(np.floor(times / _DAY)))
    days = (float(times.max()) - float(times.min())) / _DAY
    return Tempo(days=round(days, 2), active_days=active, per_active_day=round(len(times) / active, 2))


def _drift(averages: Averages, held: _Held, items: Ints, config: FactsConfig) -> Drift | None:
    if len(items) < config.least_drift:
        return None
    newest, before = items[-config.newest :], items[: -config.newest]
    now, then = averages.space.interests(newest), averages.space.interests(before)
    limits = ShiftConfig()
    far = shift(then, now, limits)
    late = np.arange(len(items)) >= len(before)
    lately: Floats = np.asarray(late / len(newest), dtype=np.float64)
    earlier: Floats = np.asarray(~late / len(before), dtype=np.float64)
    change: Floats = np.subtract(held.sums(lately), held.sums(earlier))
    # of ten items, three more or fewer: less is chance
    order = np.argsort(-np.abs(change), kind="stable").tolist()
    named = [(averages.space.tags[n].value, float(change[n])) for n in order[:20] if abs(change[n]) >= 0.3]
    return Drift(
        shift=round(float(far), 4),
        moved=far > limits.threshold,
        rising=[value for value, by in named if by > 0][:3],
        fading=[value for value, by in named if by < 0][:3],
    )
