"""Facts about films (Wikidata, CC0): the table, its clean-up, and the join on title and year."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recsys_core.errors import DataError

MAX_CAST = 6
"""How many actors are kept a film."""

MAX_WRITERS = 4
"""How many writers are kept a film."""

THEMES = ("Biography", "Family", "History", "Music", "Sport")
"""Genres of the table that MovieLens doesn't have; they go into the text only."""

_ARTICLES = frozenset(
    [
        "the",
        "a",
        "an",
        "il",
        "la",
        "le",
        "les",
        "lo",
        "l",
        "los",
        "las",
        "el",
        "der",
        "die",
        "das",
        "det",
        "den",
        "un",
        "une",
        "o",
        "i",
        "gli",
    ]
)

_COUNTRIES = {
    "british hong kong": "Hong Kong",
    "east germany": "Germany",
    "federal republic of yugoslavia": "Yugoslavia",
    "georgian ssr": "Georgia",
    "german democratic republic": "Germany",
    "german reich": "Germany",
    "kingdom of italy": "Italy",
    "nazi germany": "Germany",
    "people's republic of china": "China",
    "republic of china": "Taiwan",
    "republic of ireland": "Ireland",
    "socialist federal republic of yugoslavia": "Yugoslavia",
    "united states of america": "United States",
    "weimar republic": "Germany",
    "west germany": "Germany",
}

_LANGUAGES = {
    "american english": "English",
    "artistic language": "",
    "australian english": "English",
    "bangla": "Bengali",
    "brazilian portuguese": "Portuguese",
    "british english": "English",
    "egyptian arabic": "Arabic",
    "modern greek": "Greek",
    "putonghua": "Mandarin",
    "standard chinese": "Mandarin",
    "standard mandarin": "Mandarin",
    "standard taiwanese mandarin": "Mandarin",
    "yue chinese": "Cantonese",
}

_CERTIFICATES = {"GP": "PG", "M": "PG", "M/PG": "PG", "X": "NC-17"}


@dataclass(frozen=True)
class FilmFacts:
    """What the table says about one film, cleaned up."""

    title: str
    year: int
    directors: list[str]
    writers: list[str]
    cast: list[str]
    countries: list[str]
    languages: list[str]
    themes: list[str]
    runtime: int | None
    """Minutes."""
    certificate: str | None
    """Age rating of the United States."""
    oscars: int | None
    """Academy Awards won."""


class FactTable:
    """Films by normalised title.

    Args:
        database: bytes of the SQLite file with the table ``omdb``.

    Raises:
        DataError: the table can't be read.
    """

    def __init__(self, database: bytes) -> None:
        rows = _read_rows(database)
        fame = Counter(name for row in rows for name in _people(row["Cast"]))
        self._films: dict[str, list[FilmFacts]] = {}
        for row in rows:
            facts = _facts(row, fame)
            self._films.setdefault(normalise_title(facts.title), []).append(facts)

    def find(self, titles: Iterable[str], year: int) -> FilmFacts | None:
        """The film of one of these titles whose year is nearest and at most one off; earlier titles are preferred."""
        for title in titles:
            near = [film for film in self._films.get(normalise_title(title), []) if abs(film.year - year) <= 1]
            if near:
                return min(near, key=lambda film: (abs(film.year - year), -len(film.cast), film.title))
        return None


def normalise_title(title: str) -> str:
    """Lower case without accents, punctuation and a leading article."""
    plain = unicodedata.normalize("NFKD", title.casefold().replace("&", " and "))
    plain = "".join(ch for ch in plain if not unicodedata.combining(ch))
    words = re.sub(r"[^\w\s]|_", " ", re.sub(r"['’`]s\b", "s", plain)).split()
    if len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    return " ".join(words)


def _read_rows(database: bytes) -> list[sqlite3.Row]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "films.db"
        file.write_bytes(database)
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            connection.row_factory = sqlite3.Row
            query = (
                'SELECT "Title", "Year", "Rating", "Runtime", "Genre", "Director", "Writer", "Cast", "Language", '
                '"Country", "Oscars" FROM omdb WHERE "Title" IS NOT NULL AND "Year" IS NOT NULL ORDER BY "ID"'
            )
            return connection.execute(query).fetchall()
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"the table of film facts can't be read ({error}); delete the cached wheel and import again"
            ) from error
        finally:
            connection.close()


def _facts(row: sqlite3.Row, fame: Counter[str]) -> FilmFacts:
    year = int(row["Year"])
    # The table lists actors by name; those seen in most films are the ones people ask for.
    cast = sorted(_people(row["Cast"]), key=lambda name: (-fame[name], name))
    certificate = row["Rating"] or None
    return FilmFacts(
        title=row["Title"],
        year=year,
        directors=_people(row["Director"]),
        writers=_people(row["Writer"])[:MAX_WRITERS],
        cast=cast[:MAX_CAST],
        countries=_distinct(_country(name, year) for name in _listed(row["Country"])),
        languages=_distinct(_language(name) for name in _listed(row["Language"])),
        themes=[genre for genre in _listed(row["Genre"]) if genre in THEMES],
        runtime=round(row["Runtime"]) if row["Runtime"] else None,
        certificate=_CERTIFICATES.get(certificate, certificate) if certificate else None,
        oscars=None if row["Oscars"] is None else int(row["Oscars"]),
    )


def _listed(cell: str | None) -> list[str]:
    return [part.strip() for part in (cell or "").split(", ") if part.strip()]


def _people(cell: str | None) -> list[str]:
    """Names of a cell; "Gordon Parks, Jr." is one name."""
    names: list[str] = []
    for part in _listed(cell):
        if names and part.rstrip(".") in ("Jr", "Sr", "II", "III"):
            names[-1] = f"{names[-1]} {part}"
        else:
            names.append(part)
    return _distinct(names)


def _distinct(names: Iterable[str] | Iterator[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


def _country(name: str, year: int) -> str:
    if name == "Republic of China" and year < 1949:
        return "China"
    return _COUNTRIES.get(name.casefold(), name)


def _language(name: str) -> str:
    return _LANGUAGES.get(name.casefold(), name.removesuffix(" language"))
