"""AG News: reading it, and the fixed sample that is measured on."""

from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recsys_core.errors import DataError

CATEGORIES = ("World", "Sports", "Business", "Sci/Tech")
_BROKEN_ENTITY = re.compile(r"(?<!&)(?<!\w)#(\d{2,4});")
_BREAK = re.compile(r"\\+")


class Article(NamedTuple):
    """One article.

    Attributes:
        item_id: file and line, such as ``ag-17``.
        category: one of :data:`CATEGORIES`.
        title: headline.
        description: its first sentences.
    """

    item_id: str
    category: str
    title: str
    description: str

    @property
    def text(self) -> str:
        """Headline and description as they are read, the headline as a sentence of its own."""
        end = "" if self.title.endswith((".", "!", "?", "…")) else "."
        return f"{self.title}{end} {self.description}".strip()


def read_news(folder: Path) -> list[Article]:
    """All articles of the CSV files in a folder (class 1-4, title, description; gzipped or not).

    The set's own damage is mended: backslashes for line breaks, entities that lost their ampersand.

    Raises:
        DataError: there is no such file, or a row can't be read.
    """
    files = sorted([*folder.expanduser().glob("*.csv"), *folder.expanduser().glob("*.csv.gz")])
    if not files:
        raise DataError(f"{folder} holds no .csv or .csv.gz of AG News (class, title, description)")
    articles: list[Article] = []
    for path in files:
        try:
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            rows = list(csv.reader(io.StringIO(raw.decode("utf-8"))))
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path} can't be read: {error}") from error
        for number, row in enumerate(rows, 1):
            if len(row) != 3 or row[0] not in {"1", "2", "3", "4"}:
                raise DataError(f"{path}, row {number}: expected class 1-4, title, description")
            title, description = (_mended(field) for field in row[1:])
            articles.append(Article(f"ag-{len(articles)}", CATEGORIES[int(row[0]) - 1], title, description))
    return articles


def sample(articles: list[Article], items: int, seed: int) -> list[Article]:
    """A stratified random sample: as many of each category, in the order of the file.

    Raises:
        DataError: a category has too few articles.
    """
    each = items // len(CATEGORIES)
    chance = np.random.default_rng(seed)
    chosen: list[int] = []
    for category in CATEGORIES:
        rows = [row for row, article in enumerate(articles) if article.category == category]
        if len(rows) < each:
            raise DataError(f"AG News here has {len(rows)} articles of {category}, {each} are asked for")
        chosen += chance.choice(rows, size=each, replace=False).tolist()
    return [articles[row] for row in sorted(chosen)]


def _mended(field: str) -> str:
    text = _BROKEN_ENTITY.sub(lambda match: chr(int(match[1])), _BREAK.sub(" ", field))
    return " ".join(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").split())
