"""Flat figures of a measurement of profiles; their names are told in docs/profile-evaluation.md."""

from __future__ import annotations

from eval.profiles.choosing import WayResult
from eval.profiles.downstream import Gain
from eval.profiles.report import Group, JudgeResult, ProfilesDetail
from recsys_core.metrics import Interval

Flat = dict[str, float]


def figures(detail: ProfilesDetail) -> Flat:
    """``forward.KIND``, ``backward.KIND`` and so on, each with ``.lo`` and ``.hi``."""
    flat: Flat = {"users": detail.users, "users_llm": detail.users_llm}
    for number, (name, judge) in enumerate(detail.judges.items()):
        flat |= _judge(judge, f"_{name}" if number else "")
        flat |= {f"judge_{name}_{answer}": value for answer, value in judge.answers.items()}
        if not number:
            flat |= _lengths(judge)
    for name, ways in detail.choosing.items():
        flat |= _ways(name, ways)
    for situation, kinds in detail.recommending.items():
        flat |= _gains(situation, kinds)
    for task, found in detail.lamp.items():
        for kind, interval in found.items():
            flat |= _with_ends(f"lamp_{task}.{kind}", interval)
    return flat | {f"llm_{name}": value for name, value in detail.writing.items()}


def _judge(judge: JudgeResult, suffix: str) -> Flat:
    flat: Flat = {}
    everybody = judge.everybody.kinds if judge.everybody is not None else {}
    if judge.everybody is not None:
        flat |= _group(judge.everybody, suffix)
    if judge.with_llm is not None:
        flat |= _group(judge.with_llm, f"{suffix}_llm_users")
        # what only these people have stands under its plain name, too
        alone = {kind: found for kind, found in judge.with_llm.kinds.items() if kind not in everybody}
        flat |= _group(judge.with_llm.model_copy(update={"kinds": alone}), suffix)
    for step in judge.steps():
        flat |= _with_ends(f"{step.direction}{suffix}.{step.better}-{step.worse}", step.difference)
    verdicts = [step.verdict for step in judge.steps() if step.expected]
    return flat | {f"order_{verdict}{suffix}": verdicts.count(verdict) for verdict in ("holds", "open", "reversed")}


def _group(group: Group, suffix: str) -> Flat:
    flat: Flat = {}
    for kind, result in group.kinds.items():
        flat |= _with_ends(f"forward{suffix}.{kind}", result.forward)
        flat |= _with_ends(f"backward{suffix}.{kind}", result.backward)
    return flat


def _lengths(judge: JudgeResult) -> Flat:
    flat: Flat = {}
    for group in (judge.with_llm, judge.everybody):
        for kind, result in group.kinds.items() if group is not None else ():
            flat |= {f"tokens.{kind}": result.tokens, f"tokens_max.{kind}": result.longest}
    return flat


def _ways(judge: str, ways: dict[str, WayResult]) -> Flat:
    flat: Flat = {}
    for way, result in ways.items():
        flat |= _with_ends(f"chosen_{judge}.{way}", result.total)
        if result.both_above is not None:
            flat |= _with_ends(f"chosen_{judge}.both-{way}", result.both_above)
    return flat


def _gains(situation: str, kinds: dict[str, Gain]) -> Flat:
    flat: Flat = {}
    for kind, gain in kinds.items():
        flat |= _with_ends(f"ndcg@10_{situation}.{kind}", gain.ndcg)
        if kind != "none":
            flat |= _with_ends(f"ndcg@10_{situation}.{kind}-none", gain.gain)
            flat[f"gain_{situation}.{kind}"] = gain.relative
    return flat


def _with_ends(name: str, interval: Interval) -> Flat:
    return {name: interval.value, f"{name}.lo": interval.low, f"{name}.hi": interval.high}
