"""Which column holds what: guessed from common names, overridden by a TOML file, overridden by flags."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from recsys_core.catalog.items import FieldKind
from recsys_core.errors import ConfigError, DataError

GUESSES: dict[str, tuple[str, ...]] = {
    "id": ("item_id", "id", "product_id", "sku", "asin", "parent_asin", "movie_id", "article_id", "book_id", "iid"),
    "title": ("title", "name", "item_name", "product_name", "product_title", "movie_title", "item_title", "headline"),
    "text": ("text", "description", "summary", "overview", "plot", "abstract", "content", "body"),
    "image": ("image", "image_url", "img", "img_url", "picture", "poster", "poster_url", "thumbnail"),
    "user": ("user_id", "user", "customer_id", "customer", "visitor_id", "reviewer_id", "account_id", "uid"),
    "item": ("item_id", "item", "product_id", "sku", "asin", "parent_asin", "movie_id", "article_id", "book_id", "iid"),
    "timestamp": ("timestamp", "time", "datetime", "date", "created_at", "event_time", "unix_timestamp", "ts"),
    "kind": ("kind", "event", "event_type", "action", "interaction_type"),
    "value": ("value", "rating", "score", "stars", "quantity", "count", "weight"),
}
"""Column names that are recognised without being told, best first; case and punctuation don't matter."""

ITEM_ROLES = ("id", "title", "text", "image")
INTERACTION_ROLES = ("user", "item", "timestamp", "kind", "value")
REQUIRED = frozenset(["id", "title", "user", "item", "timestamp"])

_NAMES = {
    "id": "item id",
    "title": "title",
    "text": "description",
    "image": "picture",
    "user": "user id",
    "item": "item id",
    "timestamp": "timestamp",
    "kind": "kind of interaction",
    "value": "value",
}


class ColumnMapping(BaseModel):
    """How the columns of the two input files are to be read; everything left out is guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = None
    """Items: column of the item id."""
    title: str | None = None
    """Items: column of the title."""
    text: str | None = None
    """Items: column of the free description."""
    image: str | None = None
    """Items: column of the picture's address."""
    attributes: dict[str, str] | None = None
    """Items: attribute name -> column; a list of columns keeps their names; left out means all other columns."""
    attribute_kinds: dict[str, FieldKind] = Field(default_factory=dict)
    """Items: attribute name -> number, string, tags or flag, where the guess is wrong."""
    user: str | None = None
    """Interactions: column of the user id."""
    item: str | None = None
    """Interactions: column of the item id."""
    timestamp: str | None = None
    """Interactions: column of the time."""
    kind: str | None = None
    """Interactions: column that says what was done."""
    value: str | None = None
    """Interactions: column of the rating, count or amount."""
    timestamp_unit: Literal["auto", "s", "ms", "us", "ns"] = "auto"
    """Unit of numeric timestamps since 1970."""
    timestamp_format: str | None = None
    """strptime pattern of written dates that aren't ISO 8601 ("%d.%m.%Y")."""
    list_separator: str = Field(default="|", min_length=1, max_length=5)
    """What stands between the values of a list inside one CSV cell."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """What stands between the columns of a CSV file; left out means: looked up in the header."""
    quote: Literal['"', "'", "none"] = '"'
    """Character around CSV cells that hold a delimiter; "none" when quotes are ordinary characters."""
    encoding: Literal["utf-8", "latin-1", "cp1252"] = "utf-8"
    """Encoding of text files; a UTF-8 byte order mark is skipped."""
    item_noun: str = Field(default="items", min_length=1, max_length=40)
    """What an item is called in the plural ("films")."""

    @field_validator("attributes", mode="before")
    @classmethod
    def _listed_attributes(cls, value: object) -> object:
        return {str(name): str(name) for name in value} if isinstance(value, (list, tuple)) else value

    @classmethod
    def load(cls, path: Path) -> ColumnMapping:
        """Read a mapping from a TOML file.

        Raises:
            ConfigError: the file is missing, isn't TOML, or has a key that doesn't exist.
        """
        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{path}: there is no such mapping file") from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} isn't a TOML file ({error})") from error
        return _validated(data, str(path))

    def with_flags(self, flags: Iterable[str]) -> ColumnMapping:
        """The mapping changed by ``key=value`` pairs of the command line.

        ``attribute.NAME=COLUMN`` adds one attribute, ``attribute_kind.NAME=number`` forces its kind; every other key
        is a field of this class.

        Raises:
            ConfigError: a pair without "=", an unknown key or a value that isn't allowed.
        """
        data: dict[str, Any] = self.model_dump(exclude_none=True)
        for flag in flags:
            key, equals, value = flag.partition("=")
            key, value = key.strip(), value.strip()
            if not equals or not key or not value:
                raise ConfigError(f"--map {flag}: write it as key=column, for example --map id=product_id")
            group, dot, name = key.partition(".")
            if dot and group == "attribute":
                data.setdefault("attributes", {})[name] = value
            elif dot and group == "attribute_kind":
                data.setdefault("attribute_kinds", {})[name] = value
            elif key == "attributes":
                data["attributes"] = [part.strip() for part in value.split(",") if part.strip()]
            else:
                data[key] = value
        return _validated(data, "--map")


def _validated(data: Mapping[str, Any], where: str) -> ColumnMapping:
    try:
        return ColumnMapping.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                f"{where}: unknown key {key!r}; allowed: {', '.join(ColumnMapping.model_fields)}"
            ) from error
        raise ConfigError(f"{where}: {key}: {first['msg']}") from error


def resolve(mapping: ColumnMapping, roles: Sequence[str], columns: Sequence[str], file: str) -> dict[str, str]:
    """Find the column of each role.

    Returns:
        role -> column, for the roles that have one.

    Raises:
        DataError: a required role has no column, or the mapping names a column that isn't there; the sentence names
            the nearest column and the flag and TOML key that would fix it.
    """
    found: dict[str, str] = {}
    taken = {getattr(mapping, role) for role in roles}
    for role in roles:
        stated = getattr(mapping, role)
        if stated is not None:
            if stated not in columns:
                raise DataError(_not_there(role, stated, columns, file))
            found[role] = stated
            continue
        guess = _guess(role, [column for column in columns if column not in taken and column not in found.values()])
        if guess is not None:
            found[role] = guess
        elif role in REQUIRED:
            raise DataError(_missing(role, columns, file))
    return found


def attribute_columns(mapping: ColumnMapping, columns: Sequence[str], used: Iterable[str], file: str) -> dict[str, str]:
    """Attribute name -> column: those of the mapping, or all that aren't used otherwise.

    Raises:
        DataError: the mapping names a column that isn't there, or forces the kind of an attribute that isn't there.
    """
    if mapping.attributes is None:
        taken = set(used)
        chosen = {_plain(column): column for column in columns if column not in taken}
    else:
        for name, column in mapping.attributes.items():
            if column not in columns:
                raise DataError(_not_there(f"attribute.{name}", column, columns, file))
        chosen = dict(mapping.attributes)
    for name in mapping.attribute_kinds:
        if name not in chosen:
            known = ", ".join(chosen) or "none"
            raise DataError(
                f"{file}: attribute_kinds names {name!r}, which is no attribute; the attributes are {known}"
            )
    return chosen


def _plain(column: str) -> str:
    """The name without a type suffix, as in "genre:token_seq"."""
    return re.sub(r":(token|float)(_seq)?$", "", column).strip()


def _guess(role: str, columns: Sequence[str]) -> str | None:
    by_form = {_form(column): column for column in reversed(columns)}
    for name in GUESSES[role]:
        if _form(name) in by_form:
            return by_form[_form(name)]
    return None


def _form(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _plain(name).casefold())


def _nearest(names: Sequence[str], columns: Sequence[str]) -> str | None:
    forms = {_form(column): column for column in reversed(columns)}
    ranked = [
        (difflib.SequenceMatcher(None, _form(name), form).ratio(), column)
        for name in names
        for form, column in forms.items()
    ]
    best = max(ranked, default=(0.0, ""), key=lambda pair: pair[0])
    return best[1] if best[0] >= 0.6 else None


def _remedy(key: str, column: str | None) -> str:
    shown = column or "COLUMN"
    return f'say --map {key}={shown} or {key} = "{shown}" in the mapping file'


def _missing(role: str, columns: Sequence[str], file: str) -> str:
    near = _nearest(GUESSES[role], columns)
    hint = f"is it {near!r}? Then " if near else ""
    return (
        f"{file}: no column for the {_NAMES[role]} (looked for {', '.join(GUESSES[role][:4])} ...); "
        f"the columns are {', '.join(columns)}; {hint}{_remedy(role, near)}"
    )


def _not_there(key: str, stated: str, columns: Sequence[str], file: str) -> str:
    near = _nearest([stated], columns)
    hint = f"is it {near!r}? Then " if near else ""
    return (
        f"{file}: the mapping says {key}={stated}, but there is no such column; "
        f"the columns are {', '.join(columns)}; {hint}{_remedy(key, near)}"
    )
