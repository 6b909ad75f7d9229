"""The table as Markdown, with all that is needed to take it again."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from eval.comparison.run import VARIED, ComparisonDetail
from eval.figures import Report
from recsys_core.metrics import Interval


def markdown(report: Report) -> str:
    """A section: what was measured, how, and the table with intervals and cost."""
    detail = ComparisonDetail.model_validate(report.detail)
    context = report.context
    machine = context.machine
    lines = [
        f"# {detail.dataset}: {detail.users:,} users, {detail.items:,} items, {detail.interactions:,} interactions",
        "",
        f"`{context.command}`, {context.date[:10]}, commit {context.commit}, seed {context.seed}, "
        f"{machine.cores} cores ({machine.cpu}), no GPU. Each user's last interaction is the target, the one before it "
        "was validation, all items are candidates, the history is masked; 95 % bootstrap intervals over users. "
        f"Generated lists use beam {detail.beam}. Time includes the choice of settings on validation.",
        "",
        "| model | R@5 | N@5 | R@10 | N@10 | R@10 less first row | parameters | CPU min |",
        "|---|---|---|---|---|---|---|---|",
        *_rows(detail),
        "",
        *_variant_lines(detail),
        *_task_lines(detail),
        *_cold_lines(detail),
    ]
    return "\n".join(lines)


def table(report: Report) -> Table:
    """The same table for a terminal, without intervals but those of the differences."""
    detail = ComparisonDetail.model_validate(report.detail)
    first = detail.entries[0].model
    shown = Table("model", box=None, header_style="bold", title=f"{detail.dataset}: {detail.users:,} users")
    for name in ("R@5", "N@5", "R@10", "N@10", f"R@10 less {first}", "CPU min"):
        shown.add_column(name, justify="right")
    for entry in detail.entries:
        m = entry.measures
        against = VARIED if entry.model in detail.variants else first
        difference = detail.differences.get(f"recall@10.{against}-{entry.model}")
        shown.add_row(
            entry.model,
            *(_bare(m[name]) for name in ("recall@5", "ndcg@5", "recall@10", "ndcg@10")),
            "" if difference is None else _signed(difference),
            f"{entry.cpu_seconds / 60:.1f}",
        )
    return shown


def _rows(detail: ComparisonDetail) -> Iterator[str]:
    first = detail.entries[0].model
    for entry in detail.entries:
        if entry.model in detail.variants:
            continue
        m = entry.measures
        difference = detail.differences.get(f"recall@10.{first}-{entry.model}")
        apart = "" if difference is None else _signed(difference)
        yield (
            f"| {entry.model} | {_bare(m['recall@5'])} | {_bare(m['ndcg@5'])} | {_interval(m['recall@10'])} | "
            f"{_interval(m['ndcg@10'])} | {apart} | {entry.parameters / 1e6:.2f} M | {entry.cpu_seconds / 60:.1f} |"
        )


def _variant_lines(detail: ComparisonDetail) -> Iterator[str]:
    if not detail.variants:
        return
    yield "## One thing changed"
    yield ""
    yield f"The generator alone, built anew with one thing changed, against the row `{VARIED}` (same users, paired)."
    yield ""
    yield f"| variant | R@10 | N@10 | R@10 less {VARIED} | N@10 less {VARIED} | CPU min |"
    yield "|---|---|---|---|---|---|"
    for entry in detail.entries:
        if entry.model not in detail.variants:
            continue
        m = entry.measures
        apart = [_signed(detail.differences[f"{name}@10.{VARIED}-{entry.model}"]) for name in ("recall", "ndcg")]
        yield (
            f"| {entry.model} | {_interval(m['recall@10'])} | {_interval(m['ndcg@10'])} | {apart[0]} | {apart[1]} | "
            f"{entry.cpu_seconds / 60:.1f} |"
        )
    yield ""


def _bare(interval: Interval) -> str:
    return f"{interval.value:.4f}".removeprefix("0")


def _interval(interval: Interval) -> str:
    return f"{_bare(interval)} [{interval.low:.3f}, {interval.high:.3f}]".replace("[0.", "[.").replace(", 0.", ", .")


def _signed(interval: Interval) -> str:
    """The other row less the first, so the sign is turned."""
    return f"{-interval.value:+.4f} [{-interval.high:+.4f}, {-interval.low:+.4f}]"


def _task_lines(detail: ComparisonDetail) -> Iterator[str]:
    if not detail.tasks:
        return
    yield "## What words change"
    yield ""
    yield (
        "Test targets under words that they satisfy. Hit is Recall@10 of the target; SASRec ranks only the items that "
        "satisfy the condition, given as a rule. Following is the share of the ten items that satisfy the condition "
        "when only words ask for it."
    )
    yield ""
    yield "| task | users | hit, told | not told | SASRec, filtered | following | unseen wordings | not told |"
    yield "|---|---|---|---|---|---|---|---|"
    for task, r in detail.tasks.items():
        unseen = _interval(r.following_unseen) if r.following_unseen is not None else "-"
        yield (
            f"| {task} | {r.cases} | {_interval(r.told)} | {_interval(r.silent)} | {_interval(r.filtered)} | "
            f"{_interval(r.following)} | {unseen} | {_bare(r.following_silent)} |"
        )
    yield ""


def _cold_lines(detail: ComparisonDetail) -> Iterator[str]:
    cold = detail.cold
    if cold is None:
        return
    yield "## Items added after training"
    yield ""
    yield (
        f"{cold.cold_items} items (5 % of the catalogue) withheld from everything that is learned, then added without "
        f"training; {cold.cold_users} users have one of them as target, {cold.warm_users} others tell the cost."
    )
    yield ""
    yield "| way | R@10, cold targets | N@10, cold targets | warm R@10 | warm loss | paths |"
    yield "|---|---|---|---|---|---|"
    for name, r in cold.results.items():
        yield (
            f"| {name} | {_interval(r.recall)} | {_interval(r.ndcg)} | {f'{r.warm_recall:.4f}'.removeprefix('0')} | "
            f"{100 * r.warm_loss:+.1f} % | {r.leaves} |"
        )
    yield ""
