"""The table of `sidra bench beams`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.figures import Report

if TYPE_CHECKING:
    from rich.table import Table


def beams_table(report: Report) -> Table:
    """One line a way to search; changes and shares are against the fixed beam that opens its part."""
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    heads = ("search", "R@10", "change", "N@10", "change", "exact 20 found", "prefixes", "share", "codes", "ms", "time")
    for head in heads:
        table.add_column(head, justify="left" if head == "search" else "right")
    for row in report.detail["rows"]:
        table.add_row(
            f"{row['group']} {row['arm']}",
            f"{row['recall'][0]:.3f}",
            _interval(row["recall_change"]),
            f"{row['ndcg'][0]:.3f}",
            _interval(row["ndcg_change"]),
            f"{row['found']:.3f}",
            f"{row['prefixes']:.1f}",
            f"{row['prefix_share'][0]:.2f}",
            f"{row['codes']:.0f}",
            f"{row['p50_ms']:.2f}",
            f"{row['time_ratio'][0]:.2f} [{row['time_ratio'][1]:.2f}, {row['time_ratio'][2]:.2f}]",
        )
    return table


def _interval(values: list[float]) -> str:
    return f"{values[0]:+.4f} [{values[1]:+.4f}, {values[2]:+.4f}]"
