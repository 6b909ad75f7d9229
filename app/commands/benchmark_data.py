"""`sidra import --benchmark`: a public research set from the data folder becomes a data set that can be built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recsys_core.catalog.dataset import ImportReport

ORDER_ONLY = (
    "This set tells the order of things, not their times: the n-th interaction of each user is dated n seconds after "
    "1970 began, so calendar wishes (season, holiday) mean nothing on it."
)


def import_benchmark(
    datasets: Path, benchmark: str, data_dir: Path | None = None, *, name: str | None = None, noun: str | None = None
) -> ImportReport:
    """Write a research set as an imported data set.

    Args:
        datasets: folder of all data sets.
        benchmark: name of the research set.
        data_dir: the data folder; `SIDRA_DATA_DIR` when None.
        name: of the data set; that of the research set when None.
        noun: what an item is called in the plural; what the research set says when None.

    Raises:
        ConfigError: no such research set, or no data folder is named.
        DataError: the set isn't there or a line can't be read, or the name can't name a data set.
    """
    from recsys_core.catalog.benchmarks import benchmark_source, load_benchmark
    from recsys_core.catalog.dataset import check_name, write_dataset

    chosen = name or benchmark
    check_name(chosen)
    source = benchmark_source(benchmark)
    catalogue, log = load_benchmark(benchmark, data_dir)
    if noun:
        catalogue.item_noun = noun
    return write_dataset(
        datasets, chosen, catalogue, log, source=source.origin, licence=source.licence, notes=[ORDER_ONLY]
    )
