"""The public formats of MovieLens and Amazon Reviews, with the very flags that docs/data.md gives for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recsys_core.catalog.dataset import load_dataset
from recsys_core.catalog.importer import ColumnMapping, import_dataset

DOCS = Path(__file__).resolve().parents[3] / "docs" / "data.md"

MOVIES = 'movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n2,"President, The (1995)",Comedy\n'
RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,2,4.5,964981247\n"

AMAZON_2014 = (
    [
        {
            "asin": "B1",
            "title": "Brush",
            "price": 6.99,
            "salesRank": {"Beauty": 10},
            "imUrl": "https://pictures.test/1.jpg",
            "brand": "Acme",
            "categories": ["Beauty", "Creams & Moisturizers"],
            "related": {"also_bought": ["B2"]},
        },
        {"asin": "B2", "title": "Cream", "description": "Soft.", "categories": ["Beauty"]},
    ],
    [
        {
            "reviewerID": "A1",
            "asin": "B2",
            "helpful": [1, 2],
            "overall": 3.0,
            "summary": "s",
            "unixReviewTime": 1252900000,
            "reviewTime": "09 14, 2009",
        },
        {
            "reviewerID": "A1",
            "asin": "B1",
            "reviewText": "t",
            "overall": 5.0,
            "unixReviewTime": 1252800000,
            "reviewTime": "09 13, 2009",
        },
    ],
)
AMAZON_2018 = (
    [
        {
            "asin": "B1",
            "title": "Probe",
            "description": ["A probe.", "It reads heat."],
            "category": ["Industrial & Scientific", "Test, Measure & Inspect"],
            "brand": "Acme",
            "feature": ["small"],
            "rank": "1,234 in Industrial",
            "details": {"Weight": "1 pound"},
            "price": "$5.99",
            "image": ["https://pictures.test/1.jpg", "https://pictures.test/2.jpg"],
        },
        {
            "asin": "B2",
            "title": "Glue",
            "description": [],
            "category": [],
            "brand": "",
            "rank": ["1", "2"],
            "image": [],
        },
    ],
    [
        {
            "reviewerID": "A1",
            "asin": "B2",
            "overall": 3.0,
            "verified": True,
            "style": {"Size:": "1"},
            "unixReviewTime": 1252900000,
        },
        {
            "reviewerID": "A1",
            "asin": "B1",
            "overall": 5.0,
            "reviewText": "t",
            "vote": "3",
            "unixReviewTime": 1252800000,
        },
    ],
)
AMAZON_2023 = (
    [
        {
            "parent_asin": "B1",
            "title": "Brush",
            "description": ["For the face."],
            "categories": ["Beauty", "Brushes"],
            "store": "Acme",
            "price": 9.5,
            "images": [{"thumb": "https://pictures.test/t.jpg", "variant": "MAIN"}],
            "details": {"Package": "1"},
            "bought_together": None,
        },
        {
            "parent_asin": "B2",
            "title": "Cream",
            "description": [],
            "categories": [],
            "store": None,
            "price": None,
            "images": [],
        },
    ],
    [
        {
            "rating": 3.0,
            "title": "t",
            "text": "t",
            "asin": "V2",
            "parent_asin": "B2",
            "user_id": "A1",
            "timestamp": 1252900000000,
        },
        {
            "rating": 5.0,
            "title": "t",
            "text": "t",
            "asin": "V1",
            "parent_asin": "B1",
            "user_id": "A1",
            "timestamp": 1252800000000,
        },
    ],
)
FLAGS = {
    "2014": "--map timestamp=unixReviewTime --map value=overall --map image=imUrl --map attribute.category=categories --map attribute.brand=brand",
    "2018": "--map timestamp=unixReviewTime --map value=overall --map attribute.category=category --map attribute.brand=brand",
    "2023": "--map item=parent_asin --map attribute.category=categories --map attribute.brand=store --map attribute.price=price",
}


def lines(path: Path, records: list[dict]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def documented(flags: str) -> bool:
    plain = " ".join(DOCS.read_text(encoding="utf-8").replace("\\\n", " ").split())
    return flags in plain


@pytest.mark.parametrize(("year", "files"), [("2014", AMAZON_2014), ("2018", AMAZON_2018), ("2023", AMAZON_2023)])
def test_amazon_reviews_of_every_edition(tmp_path, year, files):
    assert documented(FLAGS[year]), "docs/data.md gives other flags than those tested here"
    items, reviews = lines(tmp_path / "meta.jsonl", files[0]), lines(tmp_path / "reviews.jsonl", files[1])
    mapping = ColumnMapping().with_flags(FLAGS[year].replace("--map ", "").split())
    report = import_dataset(items, reviews, mapping, tmp_path / "out", "amazon")
    catalogue, log, info = load_dataset(report.path)
    assert info.rejected == 0
    assert catalogue.ids == ["B1", "B2"]
    assert log.users == ["A1"]
    assert log.sequence(0).tolist() == [0, 1]
    assert log.timestamps.tolist() == [1252800000, 1252900000]
    assert log.values.tolist() == [5, 3]
    first = catalogue.item(0)
    assert first.attributes["category"][-1] == files[0][0].get("categories", files[0][0].get("category"))[-1]
    assert first.attributes["brand"] == "Acme"
    assert set(first.attributes) <= {"category", "brand", "price"}
    assert "[" not in first.text + str(first.image)


def test_lists_of_paragraphs_are_joined_and_the_first_picture_is_taken(tmp_path):
    items, reviews = lines(tmp_path / "meta.jsonl", AMAZON_2018[0]), lines(tmp_path / "log.jsonl", AMAZON_2018[1])
    mapping = ColumnMapping().with_flags(FLAGS["2018"].replace("--map ", "").split())
    catalogue, _, _ = load_dataset(import_dataset(items, reviews, mapping, tmp_path / "out", "amazon").path)
    assert catalogue.texts == ["A probe. It reads heat.", ""]
    assert catalogue.images == ["https://pictures.test/1.jpg", None]


def test_movielens_needs_no_flags(tmp_path):
    (tmp_path / "movies.csv").write_text(MOVIES)
    (tmp_path / "ratings.csv").write_text(RATINGS)
    report = import_dataset(tmp_path / "movies.csv", tmp_path / "ratings.csv", ColumnMapping(), tmp_path / "out", "ml")
    catalogue, log, _ = load_dataset(report.path)
    assert catalogue.tags("genres") == [["Adventure", "Animation"], ["Comedy"]]
    assert catalogue.titles[1] == "President, The (1995)"
    assert log.sequence(0).tolist() == [1, 0]
    assert log.values.tolist() == [4.5, 4.0]
