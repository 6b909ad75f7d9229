"""One question back, when nothing is known of a person and the message says nothing to go by.

The question is about the attribute whose answer tells most about the candidates: of every pair of values of a text
field, and of every number field cut at its median, the one with the highest entropy (expected information gain in
bits) over the items that may be recommended; items without a value count as untold.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.intent import Act, Intent, Offer, OfferKind, Wish
from agents.state import ChatMessage, WorkingRequest
from agents.understanding.roles import Roles
from agents.understanding.vocabulary import phrase_for
from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind
from recsys_core.generator.protocol import Task
from tools.titles import plain

MAX_QUESTIONS = 2
"""How many open questions a thread bears."""
MIN_BITS = 0.5
"""A question that tells less isn't asked."""
_VALUES = 12
"""Of a text field, so many of the commonest values among the candidates are paired."""
_DISTINCT = 80
"""A text field with more values than this is no matter of taste that one could answer offhand."""
_FEEL = {
    "comedy": "light", "thriller": "tense", "drama": "moving", "romance": "romantic", "horror": "scary",
    "action": "exciting", "adventure": "adventurous", "documentary": "true to life", "mystery": "puzzling",
    "sci fi": "far out", "science fiction": "far out", "fantasy": "magical", "childrens": "playful",
    "animation": "playful", "family": "cosy", "musical": "full of music", "war": "gripping", "crime": "gritty",
    "film noir": "dark", "western": "rugged",
}  # fmt: skip


class Question(NamedTuple):
    """What to ask, and what its answers mean."""

    text: str
    """One sentence."""
    offers: list[Offer]
    """The two answers, in the order in which they are named."""
    bits: float
    """Expected information gain."""


def too_open(intent: Intent, request: WorkingRequest) -> bool:
    """True when a request for items says nothing to go by."""
    return (
        intent.act is Act.recommend
        and not (request.wishes or request.words or request.anchors or request.exclude)
        and request.task is Task.for_you
        and not (intent.seen or intent.liked or intent.disliked or intent.more or intent.unlinked or intent.residue)
    )


def may_ask(previous: Intent | None, messages: list[ChatMessage]) -> bool:
    """False right after a question, and when a thread has had its share of them."""
    if previous is not None and previous.question:
        return False
    asked = sum(message.role == "assistant" and message.content.rstrip().endswith("?") for message in messages)
    return asked < MAX_QUESTIONS


def best_question(candidates: NDArray[np.bool_], catalogue: Catalogue, roles: Roles) -> Question | None:
    """The question whose answer tells most about the candidates; None when no answer would tell much.

    Args:
        candidates: bool[n_items], what may be recommended.
        catalogue: their values.
        roles: its fields by part.
    """
    rows = np.flatnonzero(candidates)
    if len(rows) < 2:
        return None
    asked = [*_of_texts(candidates, catalogue, roles), *_of_numbers(rows, catalogue, roles)]
    best = max(asked, key=lambda question: question.bits, default=None)
    return best if best is not None and best.bits >= MIN_BITS else None


def _of_texts(candidates: NDArray[np.bool_], catalogue: Catalogue, roles: Roles) -> Iterator[Question]:
    total = int(candidates.sum())
    for name, spec in catalogue.fields.items():
        text = spec.kind in {FieldKind.string, FieldKind.tags}
        if not text or name in (*roles.people, roles.certificate) or spec.distinct > _DISTINCT:
            continue
        postings = catalogue.postings(name)
        having: dict[str, NDArray[np.bool_]] = {}
        for folded, rows in postings.rows.items():
            mask = np.zeros(len(candidates), dtype=np.bool_)
            mask[rows] = True
            having[postings.spellings[folded][0]] = mask & candidates
        commonest = sorted(having, key=lambda value: (-int(having[value].sum()), value))[:_VALUES]
        pairs = [
            (_entropy(_cells(having[one], having[two], total)), one, two) for one, two in combinations(commonest, 2)
        ]
        if pairs:
            bits, one, two = max(pairs, key=lambda pair: pair[0])
            yield Question(
                _about_values(name, one, two, roles), [_choice(name, value, roles) for value in (one, two)], bits
            )


def _of_numbers(rows: NDArray[np.intp], catalogue: Catalogue, roles: Roles) -> Iterator[Question]:
    for name, up, down, low_words, high_words in (
        (roles.year, "newer", "older", "from {:.0f} on", "from before {:.0f}"),
        (roles.duration, "longer", "shorter", "at least {:.0f} minutes long", "under {:.0f} minutes"),
        (roles.price, "finer", "cheaper", "for at least {:g}", "for less than {:g}"),
    ):
        if name is None:
            continue
        values = catalogue.numbers(name)[rows]
        known = values[~np.isnan(values)]
        if len(known) < 2:
            continue
        middle = float(np.median(known))
        above = int((known >= middle).sum())
        bits = _entropy([above, len(known) - above]) * len(known) / len(rows)
        step = 1.0 if name in {roles.year, roles.duration} else 0.01
        offers = [
            Offer(kind=OfferKind.choice, words=words, wishes=[Wish(field=name, low=low, high=high, words=words)])
            for words, low, high in (
                (low_words.format(middle), middle, None),
                (high_words.format(middle), None, middle - step),
            )
        ]
        yield Question(f"Something {up}, {offers[0].words}, or something {down}?", offers, bits)


def _about_values(name: str, one: str, two: str, roles: Roles) -> str:
    first, second = (_FEEL.get(plain(value), "") if name in roles.genres else "" for value in (one, two))
    if first and second and first != second:
        return f"Something {first} like {one.lower()}, or something {second} like {two.lower()}?"
    said = [phrase_for(name, value, False, roles, [value]) for value in (one, two)]
    lower = [words.lower() if name in roles.genres else words for words in said]
    return f"Rather something {lower[0]}, or {lower[1]}?" if said[0] != one else f"Rather {lower[0]}, or {lower[1]}?"


def _choice(name: str, value: str, roles: Roles) -> Offer:
    words = phrase_for(name, value, False, roles, [value])
    return Offer(kind=OfferKind.choice, words=value, wishes=[Wish(field=name, values=[value], words=words)])


def _cells(one: NDArray[np.bool_], two: NDArray[np.bool_], total: int) -> list[int]:
    both = int((one & two).sum())
    first, second = int(one.sum()) - both, int(two.sum()) - both
    return [both, first, second, total - both - first - second]


def _entropy(counts: list[int]) -> float:
    """Bits of the distribution that counts make up."""
    total = sum(counts)
    shares = [count / total for count in counts if count > 0] if total else []
    return -sum(share * float(np.log2(share)) for share in shares)
