"""Tables of a measurement of profiles, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from eval.profiles.report import Group, ProfilesDetail
from recsys_core.metrics import Interval


def markdown(detail: ProfilesDetail) -> str:
    """Everything that a person wants to see, table by table."""
    lines = [
        f"Profiles of {detail.users} users of {detail.dataset}, {detail.users_llm} of them by a language model.",
        "",
    ]
    for name, judge in detail.judges.items():
        for group, who in ((judge.everybody, "everybody"), (judge.with_llm, "those with a model's profiles")):
            if group is not None:
                lines += _group(name, who, group)
    for name, ways in detail.choosing.items():
        rows = [[way, _cell(found.total), _cell(found.both_above)] for way, found in ways.items()]
        lines += _table(
            f"Choosing among candidates, judge {name}:", ["chosen by", "both directions", "both above"], rows
        )
    for situation, kinds in detail.recommending.items():
        rows = [
            [kind, str(gain.users), _cell(gain.ndcg), _cell(gain.gain), f"{gain.relative:+.1%}"]
            for kind, gain in kinds.items()
        ]
        head = ["kind", "users", "NDCG@10", "against none", "relative"]
        lines += _table(f"Recommending, situation `{situation}`:", head, rows)
    for task, found in detail.lamp.items():
        measure = "mean absolute error" if task == "rating" else "accuracy"
        rows = [[kind, _cell(interval)] for kind, interval in found.items()]
        lines += _table(f"Next {task}:", ["kind", measure], rows)
    return "\n".join([*lines, *(f"Not measured: {sentence}." for sentence in detail.left_out)]).rstrip() + "\n"


def _group(judge: str, who: str, group: Group) -> list[str]:
    kinds = sorted(group.kinds.items(), key=lambda pair: -pair[1].total.value)
    rows = [[kind, _cell(found.forward), _cell(found.backward), f"{found.tokens:.0f}"] for kind, found in kinds]
    lines = _table(f"Judge {judge}, {who} ({group.users}):", ["kind", "forward", "backward", "tokens"], rows)
    steps = [
        [f"{step.better} above {step.worse}", step.direction, _cell(step.difference), step.verdict]
        for step in group.steps
    ]
    return lines + _table("", ["step", "direction", "difference", "verdict"], steps)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    lines = [title, ""] if title else []
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def _cell(interval: Interval | None) -> str:
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]" if interval is not None else ""
