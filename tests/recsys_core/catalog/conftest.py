"""Fixtures of the catalogue's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recsys_core.catalog.own_data import Case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A folder with two good files."""
    return Case(tmp_path)
