"""The masking benchmark as a table for the terminal: microseconds of one pass, and how they compare."""

from __future__ import annotations

from typing import Any

from eval.bench.constraint.plot import step_table
from eval.figures import Report

BASE = "csr_eager"
"""What the others are compared with."""


def step_tables(report: Report) -> list[Any]:
    """One table for each way to draw codes: a row a method, two columns a size.

    The second column is the median over the rounds of a method's time divided by that of ``csr_eager`` in the same
    round, which other work on the machine moves less than either.
    """
    from rich.table import Table

    tables = []
    for codes in report.detail["config"]["codes"]:
        sizes, rows = step_table(report, codes)
        table = Table("method", box=None, header_style="bold", title=f"all levels once, {codes} codes")
        for size in sizes:
            table.add_column(f"µs@{size}", justify="right")
            table.add_column(f"x {BASE}", justify="right")
        ending = "" if codes == "uniform" else f".{codes}"
        for method, row in rows.items():
            cells = []
            for size in sizes:
                ratio = report.figures.get(f"ratio.{method}@{size}{ending}")
                cells += [f"{row[size]:,.0f}" if size in row else "-", "-" if ratio is None else f"{ratio:.2f}"]
            table.add_row(method, *cells)
        tables.append(table)
    return tables
