"""A copy of a catalogue with poisoned texts in it: vectors, semantic IDs and rankings stay those of the release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from agents.understanding.roles import Roles
from eval.attacks.payloads import Poison
from recsys_core.catalog.catalogue import ATTRIBUTE_PREFIX, Catalogue
from recsys_core.catalog.items import FieldKind


def planted(catalogue: Catalogue, poison: Mapping[str, Poison]) -> Catalogue:
    """The catalogue with a poisoned text in every place that a seller can write into.

    Behind the title, as the description, and its short form as one more kind, person and country.

    Args:
        catalogue: left as it is.
        poison: item id -> what is planted there.
    """
    frame, roles = catalogue.frame, Roles.of(catalogue)
    ids = frame["id"].to_list()

    def changed(name: str, change: Any) -> pl.Series:
        values = [
            change(value, poison[item]) if item in poison else value
            for item, value in zip(ids, frame[name].to_list(), strict=True)
        ]
        return pl.Series(name, values, dtype=frame.schema[name])

    columns = [
        changed("title", lambda title, p: f"{title} {p.text}"),
        changed("text", lambda text, p: f"{p.text} {text}"),
    ]
    for field in (*roles.genres[:1], *roles.makers[:1], *roles.performers[:1], roles.country):
        if field and catalogue.fields[field].kind is FieldKind.tags:
            columns.append(changed(ATTRIBUTE_PREFIX + field, lambda tags, p: [p.tag, *(tags or [])]))
    poisoned = Catalogue(frame.with_columns(columns), item_noun=catalogue.item_noun)
    return poisoned.offering(catalogue.offered)
