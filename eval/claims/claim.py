"""What a claim is and when it counts as confirmed.

A claim is made of findings, each a difference with its 95 % interval that the statement says is positive. The verdict
of a finding follows from that interval alone; the claim has the weakest verdict of its findings, since every one of
them is part of what the paper says. "Not confirmed at this scale" is a result, not a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from eval.comparison.entry import Entry
from eval.comparison.run import ComparisonDetail
from recsys_core.errors import ConfigError, DataError
from recsys_core.metrics import Interval, bootstrap_paired

Verdict = Literal["confirmed", "not confirmed at this scale", "contradicted"]

CONFIRMED: Verdict = "confirmed"
OPEN: Verdict = "not confirmed at this scale"
CONTRADICTED: Verdict = "contradicted"

MEASURES = ("recall@10", "ndcg@10")
"""What rows are compared on."""

RESAMPLES = 2_000
"""Bootstrap resamples of a difference, as many as the table uses."""

_WEAKEST_FIRST: tuple[Verdict, ...] = (CONTRADICTED, OPEN, CONFIRMED)


class Finding(BaseModel):
    """One difference that the statement says is positive."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    statement: str
    """What would be confirmed."""
    measure: str
    """``recall@10.generator-generator_top1`` ..., a key of the claim's ``measured``."""
    difference: Interval
    """Positive when the statement holds."""
    verdict: Verdict
    """Of this difference alone."""


class Scale(BaseModel):
    """What the claim was tested on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    """Name of the set."""
    users: int
    """Users tested."""
    items: int
    """Candidates."""
    interactions: int
    """Interactions in the log."""
    seed: int
    """Of the resampling."""


class Claim(BaseModel):
    """A statement of a paper and what was measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Name on the command line."""
    paper: str
    """Where it is stated."""
    statement: str
    """The central statement, in our words."""
    measured: dict[str, Interval]
    """Figures of the rows and their differences, with 95 % intervals."""
    baselines: list[str]
    """Rows that it was compared with in the same run."""
    findings: list[Finding] = Field(min_length=1)
    """The differences that the verdict follows from."""
    verdict: Verdict
    """The weakest of the findings."""
    reason: str
    """Why, in a sentence or two, with what the comparison can't tell."""
    context: Scale
    """What it was tested on."""


def verdict_of(difference: Interval) -> Verdict:
    """Confirmed when the whole interval is above 0, contradicted when it is below; one that touches 0 decides nothing.

    Raises:
        DataError: the interval isn't made of numbers, since nobody was measured.
    """
    if not difference.low <= difference.value <= difference.high:
        raise DataError(f"{difference} is no interval; measure again with `sidra eval offline --dataset`")
    if difference.low > 0:
        return CONFIRMED
    return CONTRADICTED if difference.high < 0 else OPEN


def weakest(verdicts: Sequence[Verdict]) -> Verdict:
    """Contradicted before not confirmed before confirmed."""
    return min(verdicts, key=_WEAKEST_FIRST.index)


def row(detail: ComparisonDetail, model: str) -> Entry:
    """A row of the comparison.

    Raises:
        ConfigError: the comparison doesn't have it.
    """
    for entry in detail.entries:
        if entry.model == model:
            return entry
    raise ConfigError(
        f"the comparison on {detail.dataset!r} has no row {model!r}; take it with `sidra eval claims --dataset`"
    )


def beats(detail: ComparisonDetail, first: str, second: str, statement: str, seed: int) -> list[Finding]:
    """One finding a measure: ``first`` less ``second``, same users resampled together.

    Raises:
        ConfigError: a row is missing.
        DataError: the rows weren't measured on the same users.
    """
    one, other = row(detail, first), row(detail, second)
    if len(one.ranks) != len(other.ranks) or not one.ranks:
        raise DataError(
            f"rows {first!r} and {second!r} hold {len(one.ranks)} and {len(other.ranks)} users; "
            "both must come from one run of `sidra eval offline --dataset`"
        )
    ours, theirs = one.per_user(), other.per_user()
    findings = []
    for name in MEASURES:
        difference = bootstrap_paired(ours[name], theirs[name], seed=seed, resamples=RESAMPLES)
        findings.append(
            Finding(
                statement=statement,
                measure=f"{name}.{first}-{second}",
                difference=difference,
                verdict=verdict_of(difference),
            )
        )
    return findings


def claim_of_rows(
    detail: ComparisonDetail,
    *,
    name: str,
    paper: str,
    statement: str,
    findings: list[Finding],
    rows: Sequence[str],
    limits: str,
    seed: int,
) -> Claim:
    """Put together a claim whose findings compare rows.

    Args:
        detail: the comparison.
        name: of the claim.
        paper: where it is stated.
        statement: in our words.
        findings: from :func:`beats`.
        rows: the row that the claim is about, then the baselines.
        limits: what the comparison can't tell.
        seed: of the resampling.
    """
    figures = {f"{m}.{model}": row(detail, model).measures[m] for model in rows for m in MEASURES}
    return Claim(
        name=name,
        paper=paper,
        statement=statement,
        measured=figures | {f.measure: f.difference for f in findings},
        baselines=list(rows[1:]),
        findings=findings,
        verdict=weakest([f.verdict for f in findings]),
        reason=f"{explain(findings)} {limits}".strip(),
        context=scale(detail, seed),
    )


def explain(findings: Sequence[Finding]) -> str:
    """Which differences are above 0, below it, or neither."""
    groups = {CONFIRMED: "above 0", OPEN: "not told apart from 0", CONTRADICTED: "below 0"}
    told = []
    for side, words in groups.items():
        names = [f.measure for f in findings if verdict_of(f.difference) == side]
        if names:
            told.append(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {words}")
    text = "; ".join(told) + "."
    if all(f.difference == (0.0, 0.0, 0.0) for f in findings):
        text += " The rows answer every user alike."
    return text


def scale(detail: ComparisonDetail, seed: int) -> Scale:
    """What a comparison was taken on."""
    return Scale(
        dataset=detail.dataset, users=detail.users, items=detail.items, interactions=detail.interactions, seed=seed
    )
