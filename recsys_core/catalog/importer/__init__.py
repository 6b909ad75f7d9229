"""Own catalogues: two files of any common kind become a data set, with every refused row accounted for."""

from recsys_core.catalog.importer.mapping import ColumnMapping
from recsys_core.catalog.importer.run import import_dataset

__all__ = ["ColumnMapping", "import_dataset"]
