"""The offline evaluation as one self-contained page: table with intervals, bars, places of targets, exposure."""

from __future__ import annotations

from html import escape
from pathlib import Path

from eval.figures import Context
from eval.instruction_match import InstructionMatch
from eval.offline import ModelResult, OfflineDetail, OfflineReport
from eval.plots import bars, grouped_bars, lines
from recsys_core.metrics import Interval

COLOURS = {
    "sidra": "var(--c1)",
    "sidra_lm": "var(--c5)",
    "generator": "var(--c2)",
    "lm": "var(--c6)",
    "item_cf": "var(--c3)",
    "popularity": "var(--c4)",
}
"""Colour of each model in every plot."""

MEANINGS = {
    "recall": "share of users whose next item is in the list",
    "ndcg": "the same, weighted by place",
    "mrr": "mean of 1 / place",
    "coverage": "share of the catalogue shown to somebody",
    "gini": "0 = every item shown equally often, 1 = one item takes all",
    "novelty": "mean surprise of the items shown, bits",
    "diversity": "1 - mean text similarity within a list",
}
"""What each measure means, in a few words."""

_STYLE = """
:root{--bg:#fbfbf9;--card:#fff;--ink:#1d2530;--ink-soft:#667080;--grid:#e6e8ea;--line:#dcdfe3;
--c1:#1f6f8b;--c2:#7a5ea8;--c3:#c98b2b;--c4:#98a1ab;--c5:#5fa873;--c6:#b8567d;--good:#e7f2f4}
@media (prefers-color-scheme:dark){:root{--bg:#14181d;--card:#1b2128;--ink:#e6eaee;--ink-soft:#98a3b0;--grid:#2b333c;
--line:#323b45;--c1:#4aa9c7;--c2:#a98ad8;--c3:#e0a84a;--c4:#7d8893;--c5:#7fc894;--c6:#d987a8;--good:#1d3138}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:36px 24px 64px}h1{font-size:27px;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:18px;margin:38px 0 4px}p{margin:4px 0 14px;color:var(--ink-soft);max-width:78ch}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(300px,100%),1fr));gap:16px}
.plots.four{grid-template-columns:repeat(auto-fit,minmax(min(230px,100%),1fr))}
.plots.one{grid-template-columns:minmax(0,2fr) minmax(0,3fr);align-items:start}
@media(max-width:760px){.plots.one{grid-template-columns:1fr}}
.plots.two{grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr))}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 14px 8px}
figcaption{font-weight:600}figcaption small{display:block;font-weight:400;color:var(--ink-soft)}
svg{width:100%;height:auto;display:block;margin-top:6px}text{font:11px system-ui,sans-serif;fill:var(--ink-soft)}
text.tick{text-anchor:end}text.mid{text-anchor:middle}text.name{text-anchor:middle}
text.value{text-anchor:middle;fill:var(--ink);font-weight:600}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:6px 14px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
tr:last-child td{border-bottom:0}th{font-weight:600;color:var(--ink-soft);font-size:13px}
th:first-child,td:first-child{text-align:left}td small{display:block;color:var(--ink-soft);font-size:11.5px}
td.best{background:var(--good)}td b{font-weight:650}
.key{display:inline-flex;align-items:center;gap:7px;margin-right:18px}
.key i{width:11px;height:11px;border-radius:3px;display:inline-block}.wide{margin-top:16px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;margin:10px 0 0}dt{color:var(--ink-soft)}
dd{margin:0;overflow-wrap:anywhere}code{font-size:13px}
"""


def write_html(report: OfflineReport, path: Path) -> Path:
    """Write the page, replacing an older one only when it is complete.

    Args:
        report: from :func:`eval.offline.evaluate_offline`.
        path: where the page goes; folders are made.

    Returns:
        ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(render_html(report), encoding="utf-8")
    unfinished.replace(path)
    return path


def render_html(report: OfflineReport) -> str:
    """The page as text."""
    detail = report.offline
    longest = max(detail.k)
    target = "last" if detail.split == "test" else "last but one"
    warning = "" if detail.split == "test" else " <b>Validation figures run high: never quote them as test.</b>"
    body = [
        f"<h1>How well release {escape(report.context.release)} ranks</h1>",
        f"<p>Each of {detail.users:,} users' {target} interaction is the target, everything before it the history. "
        f"All {detail.items:,} {escape(detail.noun)} are candidates, those of the history are masked. "
        f"Beam {detail.beam}. Intervals: 95 %, bootstrap over users.{warning}</p>",
        _legend(detail),
        "<h2>Table</h2>",
        _table(detail),
        "<h2>Accuracy</h2>",
        _bars(detail, [f"recall@{longest}", f"ndcg@{longest}", "mrr"]),
        _differences(detail),
        "<h2>Beyond accuracy</h2>",
        _bars(detail, ["coverage", "gini", "novelty", "diversity"]),
        "<h2>Where targets stood, and who gets shown</h2>",
        f'<div class="plots two">{_places(detail, longest)}{_exposure(detail)}</div>',
        _instruction(detail.instruction, detail.instructions) if detail.instruction else "",
        "<h2>Taken</h2>",
        _context(report.context),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Offline evaluation of {escape(report.context.release)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _legend(detail: OfflineDetail) -> str:
    keys = (
        f'<span class="key"><i style="background:{COLOURS.get(m, "var(--ink)")}"></i>{escape(m)}</span>'
        for m in detail.models
    )
    return f"<div>{''.join(keys)}</div>"


def _table(detail: OfflineDetail) -> str:
    names = list(next(iter(detail.models.values())).measures)
    rows = []
    for name in names:
        best = _best(name, detail.models)
        cells = "".join(
            _cell(result.measures[name], " class=best" if model == best else "")
            for model, result in detail.models.items()
        )
        rows.append(f"<tr><td><b>{escape(_label(name))}</b><small>{escape(_meaning(name))}</small></td>{cells}</tr>")
    times = "".join(f"<td>{result.ms_per_request:.2f}</td>" for result in detail.models.values())
    rows.append(f"<tr><td><b>Time</b><small>milliseconds a request, in batches</small></td>{times}</tr>")
    head = "".join(f"<th>{escape(model)}</th>" for model in detail.models)
    return (
        f'<div class="scroll"><table><thead><tr><th>measure</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(interval: Interval, attribute: str) -> str:
    ends = f"<small>{_number(interval.low)} – {_number(interval.high)}</small>"
    return f"<td{attribute}><b>{_number(interval.value)}</b>{ends}</td>"


def _best(name: str, models: dict[str, ModelResult]) -> str:
    known = {m: r.measures[name].value for m, r in models.items() if r.measures[name].value == r.measures[name].value}
    if not known:
        return ""
    return min(known, key=known.__getitem__) if name == "gini" else max(known, key=known.__getitem__)


def _bars(detail: OfflineDetail, names: list[str]) -> str:
    figures = []
    for name in names:
        values = {model: result.measures[name] for model, result in detail.models.items()}
        digits = 2 if name == "novelty" else 3
        figures.append(_figure(_label(name), _meaning(name), bars(values, COLOURS, _label(name), digits=digits)))
    return f'<div class="plots{" four" if len(names) > 3 else ""}">{"".join(figures)}</div>'


def _differences(detail: OfflineDetail) -> str:
    rows = []
    for name, interval in detail.differences.items():
        measure, _, pair = name.partition(".")
        if measure not in (f"recall@{max(detail.k)}", f"ndcg@{max(detail.k)}"):
            continue
        first, _, second = pair.partition("-")
        sure = "yes" if interval.low > 0 or interval.high < 0 else "no"
        rows.append(
            f"<tr><td>{escape(_label(measure))}: {escape(first)} − {escape(second)}</td>"
            f"<td><b>{interval.value:+.4f}</b></td><td>{interval.low:+.4f} – {interval.high:+.4f}</td>"
            f"<td>{sure}</td></tr>"
        )
    if not rows:
        return ""
    return (
        '<div class="scroll wide"><table><thead><tr><th>paired difference, same users</th><th>value</th><th>95 %</th>'
        f"<th>excludes 0</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _places(detail: OfflineDetail, longest: int) -> str:
    series = {m: [100 * p / max(detail.users, 1) for p in r.places] for m, r in detail.models.items()}
    plot = grouped_bars(series, COLOURS, [str(i + 1) for i in range(longest)], "places of the targets")
    misses = "; ".join(f"{m} {r.misses / max(detail.users, 1):.1%}" for m, r in detail.models.items())
    return _figure("Targets at each place, % of users", f"not in the first {longest}: {misses}", plot)


def _exposure(detail: OfflineDetail) -> str:
    plot = lines(
        {m: r.exposure for m, r in detail.models.items()},
        COLOURS,
        "Lorenz curve of exposure",
        f"share of {detail.noun}, least shown first",
    )
    return _figure("Share of all places taken", "dashed: every item shown equally often", plot)


def _instruction(match: InstructionMatch, others: dict[str, InstructionMatch]) -> str:
    rows = "".join(
        f"<tr><td>{escape(v.value)}</td><td>{v.pairs}</td><td><b>{v.match:.0%}</b></td><td>{v.base:.0%}</td>"
        f"<td>{v.catalogue:.0%}</td></tr>"
        for v in match.values
    )
    values = {
        "with words": match.match,
        "without": match.base,
        "catalogue": Interval(match.catalogue, match.catalogue, match.catalogue),
    }
    plot = bars(
        values, {"with words": "var(--c1)", "without": "var(--c3)", "catalogue": "var(--c4)"}, "instruction match"
    )
    pairs = sum(v.pairs for v in match.values)
    beside = ", ".join(f"{escape(row)} {found.match.value:.0%}" for row, found in others.items())
    also = f" With words, in other rows: {beside}." if beside else ""
    return (
        f"<h2>Does the instruction matter?</h2><p>One {escape(match.field)} is named in words that training never saw "
        f"(“{escape(match.example)}”), without a filter. Share of the first 10 that carries it.{also}</p>"
        f'<div class="plots one">{_figure("Share of the list", f"mean over {pairs} pairs", plot)}'
        f'<div class="scroll"><table><thead><tr><th>{escape(match.field)}</th><th>pairs</th><th>with words</th>'
        f"<th>without</th><th>catalogue</th></tr></thead><tbody>{rows}</tbody></table></div></div>"
    )


def _context(context: Context) -> str:
    machine = context.machine
    known = {
        "command": f"<code>{escape(context.command)}</code>",
        "date": escape(context.date),
        "commit": escape(context.commit or "not a checkout"),
        "seed": str(context.seed),
        "machine": escape(f"{machine.cores} cores, {machine.memory_gib} GiB, {machine.cpu}, Python {machine.python}"),
    }
    return f"<dl>{''.join(f'<dt>{k}</dt><dd>{v}</dd>' for k, v in known.items())}</dl>"


def _figure(title: str, note: str, plot: str) -> str:
    return f"<figure><figcaption>{escape(title)}<small>{escape(note)}</small></figcaption>{plot}</figure>"


def _label(name: str) -> str:
    measure, separator, cut = name.partition("@")
    known = {"recall": "Recall", "ndcg": "NDCG", "mrr": "MRR", "gini": "Gini"}
    return known.get(measure, measure.capitalize()) + separator + cut


def _meaning(name: str) -> str:
    return MEANINGS.get(name.partition("@")[0], "")


def _number(value: float) -> str:
    if value != value:
        return "–"
    return f"{value:.2f}" if abs(value) >= 2 else f"{value:.4f}"
