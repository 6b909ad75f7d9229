"""Small hand-drawn SVG plots for the evaluation page: bars with intervals, grouped bars, lines.

Plain text in, one ``<svg>`` element out; no script, no outside resource, colours from CSS variables of the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from recsys_core.metrics import Interval

_INK = "var(--ink-soft)"
_GRID = "var(--grid)"


class Frame(NamedTuple):
    """The drawing area inside an SVG, in pixels."""

    width: int
    height: int
    left: int = 46
    right: int = 12
    top: int = 14
    bottom: int = 34

    def x(self, share: float) -> float:
        """Pixel of a horizontal share 0..1."""
        return self.left + share * (self.width - self.left - self.right)

    def y(self, share: float) -> float:
        """Pixel of a vertical share 0..1 (0 at the bottom)."""
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)


def nice_ticks(top: float, count: int = 4) -> list[float]:
    """Round numbers from 0 up to at least ``top``, about ``count`` steps."""
    if top <= 0:
        return [0.0, 1.0]
    raw = top / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw - 1e-12)
    ticks = [0.0]
    while ticks[-1] < top - 1e-9:
        ticks.append(round(ticks[-1] + step, 10))
    return ticks


def bars(values: Mapping[str, Interval], colours: Mapping[str, str], label: str, *, digits: int = 3) -> str:
    """One bar a name with its interval as a whisker and its value above.

    Args:
        values: name -> interval, in drawing order.
        colours: name -> CSS colour.
        label: what is shown, read out by screen readers.
        digits: decimals of the printed values.
    """
    frame = Frame(330, 200)
    ticks = nice_ticks(max((v.high for v in values.values() if v.high == v.high), default=1.0))
    parts = [_axis(frame, ticks)]
    slot = 1.0 / max(len(values), 1)
    for place, (name, interval) in enumerate(values.items()):
        if interval.value != interval.value:
            continue
        middle, half = frame.x((place + 0.5) * slot), 0.3 * (frame.x(slot) - frame.x(0))
        top, low, high = (frame.y(v / ticks[-1]) for v in interval)
        title = f"{name}: {interval.value:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"
        parts.append(
            f'<g><title>{escape(title)}</title><rect x="{middle - half:.1f}" y="{top:.1f}" width="{2 * half:.1f}" '
            f'height="{max(frame.y(0) - top, 0):.1f}" rx="3" fill="{colours.get(name, _INK)}"/>'
            f'<path d="M{middle:.1f} {low:.1f}V{high:.1f}M{middle - 5:.1f} {low:.1f}h10M{middle - 5:.1f} {high:.1f}h10"'
            f' stroke="var(--ink)" stroke-width="1.4" fill="none"/>'
            f'<text x="{middle:.1f}" y="{min(high, top) - 5:.1f}" class="value">{interval.value:.{digits}f}</text>'
            f'<text x="{middle:.1f}" y="{frame.height - 14}" class="name">{escape(name)}</text></g>'
        )
    return _svg(frame, label, parts)


def grouped_bars(
    series: Mapping[str, Sequence[float]], colours: Mapping[str, str], categories: Sequence[str], label: str
) -> str:
    """Bars side by side, one group a category.

    Args:
        series: name -> one number a category.
        colours: name -> CSS colour.
        categories: labels on the horizontal axis.
        label: what is shown.
    """
    frame = Frame(530, 280)
    ticks = nice_ticks(max((max(v, default=0.0) for v in series.values()), default=1.0))
    parts = [_axis(frame, ticks)]
    slot = 1.0 / max(len(categories), 1)
    width = 0.8 * (frame.x(slot) - frame.x(0)) / max(len(series), 1)
    for place, category in enumerate(categories):
        left = frame.x((place + 0.1) * slot)
        for offset, (name, values) in enumerate(series.items()):
            top = frame.y(values[place] / ticks[-1])
            parts.append(
                f'<rect x="{left + offset * width:.1f}" y="{top:.1f}" width="{max(width - 1, 1):.1f}" '
                f'height="{max(frame.y(0) - top, 0):.1f}" fill="{colours.get(name, _INK)}">'
                f"<title>{escape(f'{name}, {category}: {values[place]:.4g}')}</title></rect>"
            )
        middle = frame.x((place + 0.5) * slot)
        parts.append(f'<text x="{middle:.1f}" y="{frame.height - 14}" class="name">{escape(category)}</text>')
    return _svg(frame, label, parts)


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]], colours: Mapping[str, str], label: str, x_label: str
) -> str:
    """One line a name over the unit square, with the diagonal as the line of equal shares.

    Args:
        series: name -> points (x, y), both 0..1.
        colours: name -> CSS colour.
        label: what is shown.
        x_label: text under the horizontal axis.
    """
    frame = Frame(530, 280, right=22, bottom=46)
    parts = [_axis(frame, [0.0, 0.25, 0.5, 0.75, 1.0])]
    parts.append(
        f'<path d="M{frame.x(0):.1f} {frame.y(0):.1f}L{frame.x(1):.1f} {frame.y(1):.1f}" stroke="{_INK}" '
        f'stroke-dasharray="3 4" fill="none"/>'
    )
    for name, points in series.items():
        path = "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in points)
        parts.append(
            f'<path d="M{path}" stroke="{colours.get(name, _INK)}" stroke-width="2.2" fill="none" '
            f'stroke-linejoin="round"><title>{escape(name)}</title></path>'
        )
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<text x="{frame.x(share):.1f}" y="{frame.height - 28}" class="tick mid">{share:.0%}</text>')
    parts.append(f'<text x="{frame.x(0.5):.1f}" y="{frame.height - 8}" class="name">{escape(x_label)}</text>')
    return _svg(frame, label, parts)


def _axis(frame: Frame, ticks: Sequence[float]) -> str:
    rows = []
    for tick in ticks:
        y = frame.y(tick / ticks[-1])
        rows.append(
            f'<path d="M{frame.left} {y:.1f}H{frame.width - frame.right}" stroke="{_GRID}"/>'
            f'<text x="{frame.left - 6}" y="{y + 4:.1f}" class="tick">{tick:g}</text>'
        )
    return "".join(rows)


def _svg(frame: Frame, label: str, parts: Sequence[str]) -> str:
    opening = f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(label)}">'
    return f"{opening}{''.join(parts)}</svg>"
