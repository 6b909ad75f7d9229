"""The page of a calm evaluation: verdicts, plots, figures and examples; no script, nothing from outside."""

from __future__ import annotations

from html import escape
from pathlib import Path

from eval.figures import Report
from eval.plots import bars, grouped_bars
from recsys_core.durable import write_atomic
from recsys_core.metrics import Interval

_MODES = ("raw", "balanced", "cool")
_COLOURS = {"raw": "#8c6d5a", "balanced": "#5b8a9a", "cool": "#3f6f8f", "classifier": "#5b8a9a", "word list": "#b59b6a"}
_STYLE = (
    ":root{--ink:#222;--ink-soft:#666;--grid:#ddd}body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem;color:var(--ink)}table{border-collapse:collapse}td,th{padding:.3rem .8rem;text-align:left;"
    "border-bottom:1px solid var(--grid);vertical-align:top}svg text{font:12px system-ui;text-anchor:middle}"
)


def write_page(report: Report, path: Path) -> Path:
    """Write the page of a report of :func:`eval.calm.run.evaluate_calm`; returns where it is."""
    figures, detail = report.figures, report.detail
    change = {
        mode: Interval(*(-figures[f"stimulus_change.{mode}{end}"] for end in ("", "_high", "_low")))
        for mode in _MODES[1:]
    }
    categories = list(detail["categories"]["cool"])
    falls = {
        mode: [max(0.0, -detail["categories"][mode][c]["stimulus_change"]) for c in categories] for mode in _MODES[1:]
    }
    parts = [
        "<h1>Does calming calm?</h1>",
        f"<p>{escape(report.context.command)}, {escape(report.context.date)}, commit {escape(report.context.commit)}, "
        f"{figures['items']:.0f} articles.</p>",
        "<ul>",
        *(
            f"<li>{'confirmed' if held else 'not confirmed'}: {escape(said)}</li>"
            for said, held in detail["verdicts"].items()
        ),
        "</ul><h2>Share of stimulus taken away</h2>",
        bars(change, _COLOURS, "share of stimulus taken away, with intervals"),
        "<h2>By category</h2>",
        grouped_bars(falls, _COLOURS, categories, "share of stimulus taken away by category"),
        "<h2>Figures</h2><table>",
        *(f"<tr><td>{escape(name)}</td><td>{value:g}</td></tr>" for name, value in figures.items()),
        "</table><h2>Examples</h2><table><tr><th>raw</th><th>balanced</th><th>cool</th></tr>",
        *(
            f"<tr><td>{escape(row['raw'])}</td><td>{escape(row['balanced'])}</td><td>{escape(row['cool'])}</td></tr>"
            for row in detail["examples"]
        ),
        "</table>",
    ]
    page = f'<!doctype html><meta charset="utf-8"><title>Calm</title><style>{_STYLE}</style><body>{"".join(parts)}'
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, page.encode())
    return path
