"""The curves of a training run as one SVG file that stands alone: rewards over batches, held-out points, start line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from eval.plots import Frame

Scale = Callable[[float], float]
"""A value to a pixel."""

_STYLE = (
    "<style>:root{--ink:#1d2733;--ink-soft:#5b6b7b;--grid:#e3e8ee}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8edf2;--ink-soft:#9aabbb;--grid:#2c3946}}"
    "text{font:12px system-ui,sans-serif;fill:var(--ink-soft)}.tick{text-anchor:end}.mid{text-anchor:middle}"
    ".title{font-weight:600;fill:var(--ink)}</style>"
)
_COLOURS = {"train": "#9db7d5", "held out": "#c2410c", "rules": "#15803d"}
_PANELS = (
    ("reward", "reward"),
    ("forward", "forward NDCG"),
    ("backward", "backward NDCG"),
    ("length", "length penalty"),
)
_WINDOW = 10
"""Training batches are small; the line is the mean of so many."""


def training_curves(curve: Sequence[Mapping[str, float]], rules: Mapping[str, float], title: str) -> str:
    """Four panels: reward, both directions, length.

    Args:
        curve: a record a batch with ``step`` and the panels' names; where held-out users were measured, ``held_out_``
            before them, too.
        rules: the same figures of profiles written by rules, held-out users.
        title: of the whole.
    """
    width, height = 420, 240
    parts = [
        f'<g transform="translate({(n % 2) * width} {34 + (n // 2) * height})">{_panel(curve, rules, *panel)}</g>'
        for n, panel in enumerate(_PANELS)
    ]
    legend = "".join(
        f'<rect x="{500 + n * 110}" y="14" width="14" height="4" fill="{colour}"/>'
        f'<text x="{520 + n * 110}" y="20">{name}</text>'
        for n, (name, colour) in enumerate(_COLOURS.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * width} {34 + 2 * height}" role="img" '
        f'aria-label="{escape(title)}">{_STYLE}<text x="46" y="21" class="title">{escape(title)}</text>{legend}'
        f"{''.join(parts)}</svg>\n"
    )


def _panel(curve: Sequence[Mapping[str, float]], rules: Mapping[str, float], name: str, label: str) -> str:
    frame = Frame(420, 240, top=26)
    train = _smooth([(r["step"], r[name]) for r in curve if name in r])
    held = [(r["step"], r[f"held_out_{name}"]) for r in curve if f"held_out_{name}" in r]
    values = [y for _, y in (*train, *held)] + ([rules[name]] if name in rules else [])
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = max(0.1 * (high - low), 0.005)
    low, high = low - margin if low > 0 else 0.0, high + margin
    last = max((r["step"] for r in curve), default=1) or 1

    def x(step: float) -> float:
        return frame.x(step / last)

    def y(value: float) -> float:
        return frame.y((value - low) / (high - low))

    parts = [f'<text x="{frame.left}" y="16" class="title">{escape(label)}</text>']
    for n in range(5):
        value = low + (high - low) * n / 4
        parts.append(
            f'<path d="M{frame.left} {y(value):.1f}H{frame.width - frame.right}" stroke="var(--grid)"/>'
            f'<text x="{frame.left - 6}" y="{y(value) + 4:.1f}" class="tick">{value:.3f}</text>'
        )
    for step in (0, last):
        parts.append(f'<text x="{x(step):.1f}" y="{frame.height - 16}" class="mid">{step:g}</text>')
    parts.append(f'<text x="{frame.x(0.5):.1f}" y="{frame.height - 16}" class="mid">batches</text>')
    if name in rules:
        parts.append(_line([(0, rules[name]), (last, rules[name])], x, y, "rules", ' stroke-dasharray="5 4"'))
    if held:
        parts.append(_line([held[0], (last, held[0][1])], x, y, "held out", ' stroke-dasharray="2 4"'))
    parts += [_line(train, x, y, "train", ""), _line(held, x, y, "held out", "")]
    dots = "".join(f'<circle cx="{x(s):.1f}" cy="{y(v):.1f}" r="3"/>' for s, v in held)
    return "".join(parts) + f'<g fill="{_COLOURS["held out"]}">{dots}</g>'


def _line(points: Sequence[tuple[float, float]], x: Scale, y: Scale, name: str, style: str) -> str:
    if len(points) < 2:
        return ""
    path = "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in points)
    return f'<path d="M{path}" stroke="{_COLOURS[name]}" stroke-width="2" fill="none"{style}/>'


def _smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means over a trailing window."""
    found = []
    for n, (step, _) in enumerate(points):
        part = [value for _, value in points[max(0, n + 1 - _WINDOW) : n + 1]]
        found.append((step, sum(part) / len(part)))
    return found
