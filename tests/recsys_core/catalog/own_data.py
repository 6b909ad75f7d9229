"""Two small files of somebody's own data, of which a test spoils one."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_core.catalog.importer import ColumnMapping, import_dataset
from recsys_core.errors import DataError

ITEMS = """item_id,title,genres,year,in_stock,code,description
a,Silent River,Drama|Romance,1999,yes,007,"A quiet film,
over two lines"
b,Golden Garden,Comedy,2004,no,012,
c,Distant Signal,Drama,,yes,113,Far away
"""
LOG = """user_id,item_id,rating,timestamp
u1,a,4,2024-01-01T10:00:00Z
u1,b,5,2024-01-01T10:00:00Z
u2,c,3,2024-01-03
u1,c,,2023-12-31 23:00
"""


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


class Case:
    """Two good files in a folder, of which a test spoils one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "datasets"
        self.items = put(folder, "items.csv", ITEMS)
        self.log = put(folder, "log.csv", LOG)

    def run(self, mapping: ColumnMapping | None = None, **options):
        return import_dataset(self.items, self.log, mapping or ColumnMapping(), self.out, "mine", **options)

    def refused(self, mapping: ColumnMapping | None = None, **options) -> str:
        with pytest.raises(DataError) as caught:
            self.run(mapping, **options)
        assert not (self.out / "mine").exists(), "something was half-imported"
        left = [p.name for p in self.out.iterdir()] if self.out.exists() else []
        assert set(left) <= {"mine.rejects.csv"}
        return str(caught.value)
