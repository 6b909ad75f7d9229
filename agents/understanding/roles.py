"""Which field plays which part: any catalogue's columns are read by their names and kinds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind

_YEAR = re.compile(
    r"^(?:release|released|publication|published|production|first)?_?(?:year|date|released|published)(?:_\w+)?$"
)
_DURATION = re.compile(r"^(?:run_?time|running_time|duration|length|minutes|play_?time)(?:_\w+)?$")
_PRICE = re.compile(r"^(?:price|cost)(?:_\w+)?$|_price$")
_STARS = re.compile(r"^(?:avg_|average_|mean_)?(?:rating|stars|score|imdb_rating)$")
_MAKER = re.compile(r"^(?:director|author|artist|creator|composer|designer|maker|brand|developer)s?$")
_WRITER = re.compile(r"^(?:writer|screenwriter|screenplay|lyricist)s?$")
_PERFORMER = re.compile(r"^(?:cast|actor|actress|star|starring|performer|narrator|singer)(?:e?s)?$")
_COUNTRY = re.compile(r"^(?:countr(?:y|ies)|origin|nationality)$")
_LANGUAGE = re.compile(r"^languages?$")
_GENRE = re.compile(r"^(?:genre|categor(?:y|ie)|style|subject|topic|kind|type)s?$")
_CERTIFICATE = re.compile(r"^(?:rating|certificate|certification|mpaa|age_rating|rated)$")


@dataclass(frozen=True)
class Roles:
    """Field names by the part they play; None or empty where the catalogue has no such field."""

    year: str | None
    """Number: when it came out."""
    duration: str | None
    """Number: how long it takes, in minutes."""
    price: str | None
    """Number: what it costs."""
    stars: str | None
    """Number: how well it is rated."""
    makers: tuple[str, ...]
    """Text: who made it ("by ...")."""
    writers: tuple[str, ...]
    """Text: who wrote it."""
    performers: tuple[str, ...]
    """Text: who is in it ("with ...")."""
    country: str | None
    """Text: where it comes from."""
    language: str | None
    """Text: which language it is in."""
    genres: tuple[str, ...]
    """Text: what kind of thing it is."""
    certificate: str | None
    """Text: for which age."""
    flags: tuple[str, ...]
    """True or false."""
    numbers: tuple[str, ...]
    """All number fields."""

    @property
    def people(self) -> tuple[str, ...]:
        """All fields that hold names."""
        return (*self.makers, *self.writers, *self.performers)

    @property
    def exclusive(self) -> frozenset[str]:
        """Fields on which a new wish replaces the old one instead of joining it."""
        return frozenset(f for f in (self.country, self.language, self.certificate, *self.people) if f)

    @classmethod
    def of(cls, catalogue: Catalogue) -> Roles:
        """Read the parts off names and kinds."""
        fields = catalogue.fields

        def named(pattern: re.Pattern[str], *kinds: FieldKind) -> tuple[str, ...]:
            return tuple(n for n, spec in fields.items() if spec.kind in kinds and pattern.search(n.casefold()))

        def one(pattern: re.Pattern[str], *kinds: FieldKind) -> str | None:
            return next(iter(named(pattern, *kinds)), None)

        text = (FieldKind.string, FieldKind.tags)
        return cls(
            year=one(_YEAR, FieldKind.number),
            duration=one(_DURATION, FieldKind.number),
            price=one(_PRICE, FieldKind.number),
            stars=one(_STARS, FieldKind.number),
            makers=named(_MAKER, *text),
            writers=named(_WRITER, *text),
            performers=named(_PERFORMER, *text),
            country=one(_COUNTRY, *text),
            language=one(_LANGUAGE, *text),
            genres=named(_GENRE, *text),
            certificate=one(_CERTIFICATE, *text),
            flags=tuple(n for n, spec in fields.items() if spec.kind is FieldKind.flag),
            numbers=tuple(n for n, spec in fields.items() if spec.kind is FieldKind.number),
        )
