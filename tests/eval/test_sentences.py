"""How much of what is false the check of sentences catches, and how much of what is true it takes with it."""

from __future__ import annotations

import pytest

from eval.sentences import measure_sentences
from recsys_core.catalog.synth import synthetic
from tests.agents.conftest import film_catalogue


@pytest.mark.parametrize("name", ["films", "synthetic"])
def test_false_sentences_are_caught_and_true_ones_stay(name: str) -> None:
    catalogue = film_catalogue() if name == "films" else synthetic(200, 20, seed=1)[0]
    found = measure_sentences(catalogue, seed=1, slates=15)
    assert found.figures["false_sentences"] >= 100
    assert found.figures["true_sentences"] >= 100
    assert found.figures["caught_share"] >= 0.95, found.missed[:10]
    assert found.figures["dropped_share"] <= 0.05, found.lost[:10]
    kinds = {"wrong year", "wrong person", "wrong kind", "wrong country", "wrong minutes", "award", "comparison"}
    assert kinds | {"superlative", "no such slot", "foreign title"} <= set(found.caught)
