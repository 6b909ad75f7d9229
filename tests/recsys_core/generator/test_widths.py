"""Widths by level and by load, and that searches keep to them."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_core.generator.family import Rules
from recsys_core.generator.widths import BeamConfig, widths_at
from tests.recsys_core.generator.lm.tiny import make_world
from tests.recsys_core.generator.small import make_small


def test_widths_grow_toward_the_last_level():
    widths = BeamConfig(growth=2).by_level(np.array([512, 5, 1]), 4)
    assert widths.tolist() == [[128, 256, 512], [2, 3, 5], [1, 1, 1]]
    assert widths_at(widths, 1).tolist() == [256, 3, 1]
    flat = BeamConfig().by_level(np.array([512, 5]), 4)
    assert flat.tolist() == widths_at(flat, 2).tolist() == [512, 5]
    assert BeamConfig(growth=2).by_level(np.array([50]), 2).tolist() == [[50]]
    assert BeamConfig(growth=3).by_level(np.array([50]), 1).tolist() == [[50]]


@pytest.mark.parametrize(("waiting", "expected"), [(0, 50), (8, 50), (16, 25), (80, 5), (1000, 5)])
def test_load_narrows_in_proportion_down_to_the_floor(waiting, expected):
    assert BeamConfig(calm=8, floor=5).under_load(50, waiting) == expected
    assert BeamConfig(calm=0).under_load(50, waiting) == 50
    assert BeamConfig(calm=8, floor=5).under_load(3, waiting) == 3  # never widened


def test_the_compact_search_keeps_to_its_widths():
    generator = make_small(0, 200, hybrid=True, levels=3, codes=5).generator
    encoded = generator.encode([np.array([1, 2])] * 2, ["", ""])
    rules = Rules(np.ones((2, 200), dtype=bool))
    widths = BeamConfig(growth=2).by_level(np.array([8, 3]), 4)
    found, _ = generator.search(encoded, rules, widths, 20)
    # the root, then as many prefixes as each level keeps (there are 5 at the first)
    assert found.expanded.tolist() == [1 + 2 + 4 + 8, 1 + 1 + 2 + 3]
    alone, _ = generator.search(encoded.take(np.array([1])), rules.take(np.array([1])), widths[1:], 20)
    kept = alone.items[0][alone.items[0] >= 0]
    assert found.items[1][: len(kept)].tolist() == kept.tolist()


def test_the_lm_search_keeps_to_its_widths():
    generator = make_world(noise=0.3, levels=2).generator()
    encoded = generator.encode([np.array([3, 4])], [""])
    found, _ = generator.search(
        encoded, Rules(np.ones((1, 60), dtype=bool)), BeamConfig(growth=2).by_level(np.array([4]), 3), 10
    )
    assert found.expanded.tolist() == [1 + 2 + 4]
    assert found.forwarded == 2 + 4
