"""The masking benchmark as a page: one group of bars a size, and a table with those that would dwarf them."""

from __future__ import annotations

from html import escape
from pathlib import Path

from eval.figures import Report
from eval.plots import grouped_bars

_COLOURS = [
    "#2f6f8f",
    "#d98032",
    "#5a9a53",
    "#b0485a",
    "#7a62a8",
    "#8a6d4b",
    "#c77fb0",
    "#6f7780",
    "#a8a63a",
    "#3aa8a0",
    "#555588",
    "#aa5522",
]
_STYLE = (
    ":root{--ink:#222;--ink-soft:#777;--grid:#ddd}body{font:15px sans-serif;max-width:60em;margin:2em auto}"
    "svg{max-width:100%}svg text{font-size:11px;fill:#444;text-anchor:end}svg .name{text-anchor:middle}"
    "td,th{padding:.1em .8em;text-align:right}th:first-child{text-align:left}i{display:inline-block;width:.8em;"
    "height:.8em;margin-right:.5em}"
)
_TOO_TALL = 12.0
"""A method that takes so many times the median of all stands in the table alone."""


def step_table(report: Report, codes: str) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Sizes, and per method the microseconds of all levels at each size, of one way to draw codes."""
    ending = "" if codes == "uniform" else f".{codes}"
    sizes: list[str] = []
    table: dict[str, dict[str, float]] = {}
    for name, value in report.figures.items():
        if not name.startswith("step_us."):
            continue
        method, _, at = name.removeprefix("step_us.").partition("@")
        size, _, drawn = at.partition(".")
        if ending != (f".{drawn}" if drawn else ""):
            continue
        if size not in sizes:
            sizes.append(size)
        table.setdefault(method, {})[size] = value
    return sizes, table


def write_plot(report: Report, path: Path) -> Path:
    """Write the page.

    Args:
        report: of :func:`eval.bench.constraint.measure.bench_constraint`.
        path: of the page; its folder is made.
    """
    parts = []
    for codes in report.detail["config"]["codes"]:
        sizes, table = step_table(report, codes)
        values = sorted(value for row in table.values() for value in row.values())
        bound = _TOO_TALL * values[len(values) // 2] if values else 0.0
        colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(table)}
        drawn = {
            name: [row.get(size, 0.0) for size in sizes]
            for name, row in table.items()
            if max(row.values(), default=0.0) <= bound
        }
        title = f"Microseconds of one pass through all levels, {codes} codes"
        rows = "".join(
            f'<tr><th><i style="background:{colours[name]}"></i>{escape(name)}</th>'
            + "".join(f"<td>{row[size]:,.0f}</td>" if size in row else "<td>-</td>" for size in sizes)
            + "</tr>"
            for name, row in table.items()
        )
        head = "".join(f"<th>{escape(size)} items</th>" for size in sizes)
        parts.append(
            f"<h2>{escape(title)}</h2>{grouped_bars(drawn, colours, sizes, title)}"
            f"<table><tr><th>method</th>{head}</tr>{rows}</table>"
        )
    command = escape(report.context.command)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Masking</title><style>{_STYLE}</style>'
        f"<h1>What masking costs</h1><p><code>{command}</code>, {escape(report.context.machine.cpu)}</p>"
        f"{''.join(parts)}</html>",
        encoding="utf-8",
    )
    return path
