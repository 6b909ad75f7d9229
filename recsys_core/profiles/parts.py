"""Which part a field of the catalogue plays in a profile, read off its name and kind."""

from __future__ import annotations

import re
from enum import StrEnum

from recsys_core.catalog.items import FieldKind, FieldSpec


class Part(StrEnum):
    """What a field tells of an item."""

    genre = "genre"
    """What kind of thing it is."""
    creator = "creator"
    """Who made it, wrote it or is in it."""
    era = "era"
    """When it is from."""
    place = "place"
    """Where it comes from."""
    language = "language"
    """In which language it is."""
    other = "other"
    """Anything else."""


_GENRE = re.compile(
    r"^(?:main_|sub_?|product_)?(?:genre|categor(?:y|ie)|style|subject|topic|theme|kind|type|department|tag|keyword)s?$"
)
_CREATOR = re.compile(
    r"^(?:director|author|artist|creator|composer|designer|maker|brand|developer|manufacturer|publisher|studio|writer|"
    r"screenwriter|lyricist|cast|actor|actress|star|starring|performer|narrator|singer|band)(?:e?s)?$"
)
_PLACE = re.compile(r"^(?:countr(?:y|ies)|origin|nationality|region)$")
_LANGUAGE = re.compile(r"^languages?$")
_BY_NAME = ((_GENRE, Part.genre), (_CREATOR, Part.creator), (_PLACE, Part.place), (_LANGUAGE, Part.language))
_YEARS = (1000.0, 2100.0)


def part_of(spec: FieldSpec) -> Part:
    """The part of a field."""
    name = spec.name.casefold()
    if spec.kind is FieldKind.number:
        known = spec.minimum is not None and spec.maximum is not None
        years = known and _YEARS[0] <= float(spec.minimum or 0) and float(spec.maximum or 0) <= _YEARS[1]
        return Part.era if years else Part.other
    for pattern, part in _BY_NAME:
        if pattern.search(name):
            return part
    return Part.other
