"""A catalogue of other things than films."""

from __future__ import annotations

import polars as pl
import pytest

from agents.understanding.rules import RuleUnderstanding
from recsys_core.catalog.catalogue import Catalogue
from tools.titles import TitleIndex


@pytest.fixture(scope="session")
def shop() -> RuleUnderstanding:
    tags = pl.List(pl.String)
    frame = pl.DataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "title": ["Trail Runner", "City Boot", "Beach Sandal", "Snow Boot"],
            "attr:category": pl.Series(
                [["Running", "Shoes"], ["Boots"], ["Sandals"], ["Boots", "Winter Sports"]], dtype=tags
            ),
            "attr:brand": ["Acme", "Bolt", "Acme", "Cirrus Works"],
            "attr:colour": ["red", "black", "blue", "white"],
            "attr:price": [120.0, 80.0, 25.0, 200.0],
            "attr:stars": [4.5, 3.9, 4.1, 4.8],
            "attr:weight": [300, 900, 200, 1200],
            "attr:in_stock": [True, False, True, True],
        }
    )
    catalogue = Catalogue(frame, item_noun="shoes")
    return RuleUnderstanding(catalogue, TitleIndex(catalogue.titles))
