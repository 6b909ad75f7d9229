"""From what people call a thing to the catalogue's title of it, with a confidence; never a silent guess."""

from __future__ import annotations

import copy
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

_ARTICLES = frozenset(
    [
        "the",
        "a",
        "an",
        "la",
        "le",
        "les",
        "l",
        "el",
        "los",
        "las",
        "il",
        "lo",
        "i",
        "gli",
        "der",
        "die",
        "das",
        "den",
        "det",
        "un",
        "une",
        "una",
        "der",
        "ein",
        "eine",
        "das",
        "het",
        "de",
        "o",
        "os",
        "as",
    ]
)
_TRAILING_ARTICLE = re.compile(r"^(?P<rest>.+), (?P<article>[^\W\d_]{1,3}['’]?)$")
_YEAR = re.compile(r"\s*\((?P<year>1[89]\d\d|20\d\d)\)\s*$")
_TAIL_YEAR = re.compile(r"[\s(]+(1[89]\d\d|20\d\d)\)?$")
_ALIAS = re.compile(r"\s*\((?P<alias>[^()]{2,})\)\s*")
SURE = 0.9
"""From this confidence on a link may be used without asking."""
LIKELY = 0.8
"""From this confidence on a link may be used when the answer says so."""


@dataclass(frozen=True)
class TitleMatch:
    """One item that a text may mean.

    Attributes:
        index: item index.
        title: catalogue title.
        confidence: 0 to 1; 1 is the title itself.
    """

    index: int
    title: str
    confidence: float


def plain(text: str) -> str:
    """Lower case, no accents, no punctuation, single spaces, "&" as "and": the form in which titles are compared."""
    folded = "".join(
        c for c in unicodedata.normalize("NFKD", text.replace("&", " and ")) if not unicodedata.combining(c)
    )
    words = re.sub(r"[^\w\s]|_", " ", re.sub(r"['’]", "", folded.casefold()))
    return " ".join(words.split())


def without_article(text: str) -> str:
    """A plain text without its leading article, unless nothing else is left."""
    first, _, rest = text.partition(" ")
    return rest if first in _ARTICLES and rest else text


def title_forms(title: str) -> list[str]:
    """Plain forms of a catalogue title: without year, article in front, aliases in brackets, part before a colon."""
    bare = _YEAR.sub("", title).strip()
    names = [_ALIAS.sub(" ", bare).strip() or bare, *(m["alias"] for m in _ALIAS.finditer(bare))]
    forms: list[str] = []
    for name in names:
        moved = _TRAILING_ARTICLE.match(name)
        if moved and moved["article"].casefold().rstrip("'’") in _ARTICLES:
            name = f"{moved['article']} {moved['rest']}"
        forms.append(plain(re.sub(r"^a\.?k\.?a\.?\s+", "", name, flags=re.IGNORECASE)))
    head = plain(re.split(r":| - ", names[0])[0])
    if head != forms[0] and len(head) >= 4:
        forms.append(head)
    return [form for form in dict.fromkeys(forms) if form]


class TitleIndex:
    """Titles of one catalogue.

    Args:
        titles: catalogue titles in item order.
        years: release years, nan where unknown; they part titles that are used twice.
        popularity: interactions an item has; the most popular of several equal titles is meant. Optional.
    """

    def __init__(
        self,
        titles: Sequence[str],
        years: NDArray[np.float64] | None = None,
        popularity: NDArray[np.int64] | None = None,
    ) -> None:
        self._titles = list(titles)
        self._years = years
        self._popularity = popularity if popularity is not None else np.zeros(len(self._titles), dtype=np.int64)
        exact: dict[str, list[int]] = defaultdict(list)
        heads: dict[str, list[int]] = defaultdict(list)
        for index, title in enumerate(self._titles):
            full, *others = title_forms(title) or [plain(title)]
            for form in {full, without_article(full)}:
                exact[form].append(index)
            for form in others:
                for variant in {form, without_article(form)}:
                    heads[variant].append(index)
        self._exact = dict(exact)
        self._heads = {form: items for form, items in heads.items() if form not in self._exact}
        self._forms = [form for form in (*self._exact, *self._heads) if form]
        self.forms = frozenset(self._forms)
        """All plain forms of all titles."""
        self.longest = max((form.count(" ") + 1 for form in self._forms), default=0)
        self._offered: NDArray[np.bool_] | None = None

    def offering(self, offered: NDArray[np.bool_]) -> TitleIndex:
        """The same titles, of which only some may be linked to.

        Args:
            offered: bool[n_items], False for items that are withdrawn.
        """
        other = copy.copy(self)
        other._offered = None if offered.all() else offered
        return other

    def exact(self, text: str, year: int | None = None) -> TitleMatch | None:
        """The item whose title, alias or head is this text, or None."""
        form = plain(text)
        for confidence, table in ((1.0, self._exact), (0.95, self._heads)):
            for variant in dict.fromkeys((form, without_article(form))):
                items = self._linkable(table.get(variant, []))
                if items:
                    return self._match(self._pick(items, year), confidence)
        return None

    def named(self, text: str) -> TitleMatch | None:
        """The item whose title this is to the letter, a year behind it allowed; None for anything only near."""
        cleaned = text.strip().strip("\"'“”‘’«»").strip()
        tail = _TAIL_YEAR.search(cleaned)
        return self.exact(cleaned) or (self.exact(cleaned[: tail.start()], int(tail[1])) if tail else None)

    def link(self, text: str, limit: int = 5) -> list[TitleMatch]:
        """Items that a text may name, most certain first.

        Args:
            text: what somebody wrote; a year in brackets or at the end is used to tell remakes apart.
            limit: how many at most.
        """
        cleaned = text.strip().strip("\"'“”‘’«»").strip()
        tail = _TAIL_YEAR.search(cleaned)
        year = int(tail[1]) if tail else None
        found: dict[int, TitleMatch] = {}
        for candidate, wanted in ((cleaned, None), (cleaned[: tail.start()] if tail else "", year)):
            match = self.exact(candidate, wanted) if plain(candidate) else None
            if match is not None:
                found.setdefault(match.index, match)
        for match in self._fuzzy(plain(cleaned[: tail.start()] if tail else cleaned), year, limit):
            found.setdefault(match.index, match)
        return sorted(found.values(), key=lambda m: -m.confidence)[:limit]

    def _fuzzy(self, form: str, year: int | None, limit: int) -> list[TitleMatch]:
        bare = without_article(form)
        if len(bare) < 3:
            return []
        # among all that are near enough, where some must be passed over
        most = limit if self._offered is None else None
        near = process.extract(bare, self._forms, scorer=fuzz.ratio, limit=most, score_cutoff=70)
        matches = [
            self._match(self._pick(items, year), score / 100 * 0.98)
            for other, score, _ in near
            if (items := self._linkable(self._exact.get(other) or self._heads[other]))
        ]
        words = set(bare.split())
        if len(words) >= 2:
            # "empire strikes back" is a part of a longer title; one word would be a part of too many
            for other in self._forms:
                if words <= set(other.split()) and other != bare:
                    share = len(bare) / len(other)
                    items = self._linkable(self._exact.get(other) or self._heads[other])
                    if items:
                        matches.append(self._match(self._pick(items, year), min(0.93, 0.78 + 0.25 * share)))
        return matches

    def _linkable(self, items: list[int]) -> list[int]:
        return items if self._offered is None else [item for item in items if self._offered[item]]

    def _pick(self, items: list[int], year: int | None) -> int:
        if year is not None and self._years is not None:
            years = self._years
            same = [i for i in items if abs(years[i] - year) <= 1]
            items = same or items
        return max(items, key=lambda i: (int(self._popularity[i]), -i))

    def _match(self, index: int, confidence: float) -> TitleMatch:
        return TitleMatch(index, self._titles[index], round(confidence, 3))
