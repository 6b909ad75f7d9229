"""MovieLens-100K with film facts: the data that a fresh Sidra is built from.

The ratings are for research use and are never part of this project: they are read out of a package that carries them.
Ratings keep the order of their file, because half of the neighbouring ones share a timestamp.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from recsys_core.catalog.catalogue import ATTRIBUTE_PREFIX, Catalogue
from recsys_core.catalog.dataset import ImportReport, write_dataset
from recsys_core.catalog.film_facts import FactTable, FilmFacts
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.packages import PinnedWheel, Progress, fetch_wheel, read_member
from recsys_core.errors import DataError

NAME = "movielens-100k"
"""Name of the data set and of its folder."""

SOURCE = (
    "MovieLens-100K (GroupLens) from the package recbole 1.2.1; film facts from Wikidata via bokeh-sampledata 2026.1"
)
LICENCE = "MovieLens: research use, no redistribution, see the GroupLens terms; Wikidata facts: CC0"

RATINGS_WHEEL = PinnedWheel(
    package="recbole",
    version="1.2.1",
    filename="recbole-1.2.1-py3-none-any.whl",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
)
FACTS_WHEEL = PinnedWheel(
    package="bokeh-sampledata",
    version="2026.1",
    filename="bokeh_sampledata-2026.1-py3-none-any.whl",
    sha256="f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f",
)

_ITEM_FILE = "recbole/dataset_example/ml-100k/ml-100k.item"
_RATING_FILE = "recbole/dataset_example/ml-100k/ml-100k.inter"
_FACT_FILE = "bokeh_sampledata/_data/movies.db"

_TRAILING_ARTICLE = re.compile(
    r"^(?P<name>.+), (?P<article>The|A|An|Il|La|Le|Les|Lo|Los|Las|El|Der|Die|Das|Det|Den|Un|Une|O|I|Gli|L')$"
)
_WITH_OTHER_TITLE = re.compile(r"^(?P<name>.+?) \((?P<other>[^()]+)\)$")
_YEAR_IN_TITLE = re.compile(r"^(?P<name>.+?) \((?P<year>19\d\d|20\d\d)\)$")
_NAMED_WITH_THE = frozenset(
    [
        "Czech Republic",
        "Dominican Republic",
        "Netherlands",
        "Philippines",
        "Soviet Union",
        "United Kingdom",
        "United States",
    ]
)


@dataclass(frozen=True)
class Film:
    """One row of the item file, cleaned up."""

    id: str
    title: str
    """As people write it: "The Godfather"."""
    other_title: str | None
    """The title in brackets, if there is one."""
    year: int | None
    genres: list[str] = field(default_factory=list)


def import_movielens(out_dir: Path, cache_dir: Path, progress: Progress | None = None) -> ImportReport:
    """Import MovieLens-100K into ``out_dir/movielens-100k``; needs the network only when the cache is empty.

    Raises:
        DataError: a package could not be downloaded, or doesn't hold what it should.
    """
    ratings_wheel = fetch_wheel(RATINGS_WHEEL, cache_dir, progress)
    facts_wheel = fetch_wheel(FACTS_WHEEL, cache_dir, progress)
    if progress:
        progress("reading films, ratings and facts")
    films = [parse_film(*row) for row in _rows(read_member(ratings_wheel, _ITEM_FILE), 4)]
    ratings = _ratings(read_member(ratings_wheel, _RATING_FILE))
    table = FactTable(read_member(facts_wheel, _FACT_FILE))
    facts = [_find_facts(film, table) for film in films]
    catalogue = Catalogue(_frame(films, facts), item_noun="films")
    log = _log(ratings, catalogue)
    matched = [fact is not None for fact in facts]
    share = float((log.popularity() * matched).sum() / max(1, len(log)))
    note = f"facts found for {sum(matched):,} of {len(films):,} films, which have {share:.0%} of the ratings"
    return write_dataset(out_dir, NAME, catalogue, log, source=SOURCE, licence=LICENCE, notes=[note])


def parse_film(film_id: str, title: str, year: str, genres: str) -> Film:
    """Clean up one row of the item file."""
    released = int(year) if re.fullmatch(r"\d{4}", year) else None
    if released is None and (stated := _YEAR_IN_TITLE.match(title)):
        title, released = stated["name"], int(stated["year"])
    other = None
    if both := _WITH_OTHER_TITLE.match(title):
        title, other = both["name"], article_first(both["other"])
    kinds = [genre for genre in genres.split() if genre != "unknown"]
    if title in ("unkonwn", "unknown"):  # the data's one nameless film
        title = "Unknown film"
    return Film(film_id, article_first(title), other, released, kinds)


def article_first(title: str) -> str:
    """Put a trailing article first: "Godfather, The" becomes "The Godfather"."""
    found = _TRAILING_ARTICLE.match(title)
    if not found:
        return title
    article = found["article"]
    return f"{article}{'' if article.endswith(chr(39)) else ' '}{found['name']}"


def describe(film: Film, facts: FilmFacts | None) -> str:
    """One to three sentences made of facts only."""
    start = " ".join([*([str(film.year)] if film.year else []), *(genre.lower() for genre in film.genres)])
    noun = start if start.endswith("film-noir") else f"{start} film".strip()
    sentence = f"{'An' if noun[0] in 'aeio' else 'A'} {noun}"
    if facts is None:
        return f"{sentence}."
    if facts.countries:
        sentence += f" from {_listing([_with_the(name) for name in facts.countries])}"
    if facts.directors:
        sentence += f", directed by {_listing(facts.directors)}"
    if facts.cast:
        sentence += f", with {_listing(facts.cast[:3])}"
    parts = [f"{sentence}."]
    if facts.languages:
        parts.append(f"In {_listing(facts.languages)}.")
    if facts.themes:
        parts.append(f"Themes: {', '.join(theme.lower() for theme in facts.themes)}.")
    return " ".join(parts)


def _with_the(country: str) -> str:
    return f"the {country}" if country in _NAMED_WITH_THE else country


def _listing(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _find_facts(film: Film, table: FactTable) -> FilmFacts | None:
    if film.year is None:
        return None
    titles = (
        [film.title] if film.other_title is None else [film.title, film.other_title, f"{film.title} {film.other_title}"]
    )
    return table.find(titles, film.year)


def _rows(data: bytes, width: int) -> list[list[str]]:
    lines = data.decode("utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines if line]
    bad = next((number for number, row in enumerate(rows, start=2) if len(row) != width), None)
    if bad is not None or not rows:
        raise DataError(
            f"{_ITEM_FILE}: row {bad or 2} hasn't {width} columns; delete the cached wheel and import again"
        )
    return rows


def _ratings(data: bytes) -> pl.DataFrame:
    columns = ["user_id", "item_id", "value", "timestamp"]
    types = [pl.String, pl.String, pl.Float32, pl.Float64]
    try:
        frame = pl.read_csv(io.BytesIO(data), separator="\t", quote_char=None, infer_schema=False)
        return frame.select(
            pl.col(old).cast(dtype).alias(new) for old, new, dtype in zip(frame.columns, columns, types, strict=True)
        )
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise DataError(f"{_RATING_FILE} can't be read ({error}); delete the cached wheel and import again") from error


def _log(ratings: pl.DataFrame, catalogue: Catalogue) -> InteractionLog:
    items = catalogue.indices(ratings["item_id"].to_list())
    frame = ratings.with_columns(pl.Series("item", items), pl.lit("rating").alias("kind"))
    return InteractionLog.from_frame(frame, len(catalogue))


def _frame(films: list[Film], facts: list[FilmFacts | None]) -> pl.DataFrame:
    tags = pl.List(pl.String)

    def from_facts(name: str) -> list[list[str]]:
        return [list(getattr(fact, name)) if fact else [] for fact in facts]

    attributes = {
        "genre": pl.Series([film.genres for film in films], dtype=tags),
        "year": pl.Series([film.year for film in films], dtype=pl.Int64),
        "director": pl.Series(from_facts("directors"), dtype=tags),
        "writer": pl.Series(from_facts("writers"), dtype=tags),
        "cast": pl.Series(from_facts("cast"), dtype=tags),
        "country": pl.Series(from_facts("countries"), dtype=tags),
        "language": pl.Series(from_facts("languages"), dtype=tags),
        "runtime": pl.Series([fact.runtime if fact else None for fact in facts], dtype=pl.Int64),
        "certificate": pl.Series([fact.certificate if fact else None for fact in facts], dtype=pl.String),
        "oscars": pl.Series([fact.oscars if fact else None for fact in facts], dtype=pl.Int64),
    }
    titles = [f"{film.title} ({film.other_title})" if film.other_title else film.title for film in films]
    return pl.DataFrame(
        {
            "id": [film.id for film in films],
            "title": titles,
            "text": [describe(film, fact) for film, fact in zip(films, facts, strict=True)],
            **{f"{ATTRIBUTE_PREFIX}{name}": column for name, column in attributes.items()},
        }
    )
