"""The safeguarded score: throughput if quality is safe, else nothing.

After SIEVE (arXiv 2606.05489), whose score is queries a second if quality reaches a floor. A point estimate rewards
luck: the best of many trials is one whose queries happened to suit it. Ours therefore asks that the lower 95 % bound
of quality, paired by query with the reference, clears the floor. Throughput is that of the priced work, so that it is
the same each time. Latency and error gates are ours, too.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from recsys_core.errors import ConfigError
from recsys_core.tuning.measurement import Measurement

FEWEST_QUERIES = 30
"""Below this the bound, which takes the mean for normal, means nothing."""


class Gates(BaseModel):
    """What a configuration must hold to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    floor: float = Field(default=0.95, gt=0, le=2)
    """Share of the reference's quality that every service must keep."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of the lower bound, one-sided."""
    latency_ms: float = Field(default=250.0, gt=0)
    """Longest batch."""
    errors: float = Field(default=0.0, ge=0, le=1)
    """Share of queries that may go without a full answer."""
    bounded: bool = True
    """Whether the bound must clear the floor; the mean alone otherwise (for comparison: it rewards luck)."""


class Verdict(BaseModel):
    """What a measurement is worth."""

    model_config = ConfigDict(extra="forbid")

    score: float
    """Throughput against the reference, 0 if anything failed."""
    speed: float
    """Throughput against the reference whatever the gates say; 0 where nothing was measured."""
    quality: float
    """Share of the reference's quality that is kept, of the service that keeps least."""
    lower: float
    """Lower bound of that share."""
    slack: float
    """``lower`` minus the floor: below 0 isn't safe. -1 where nothing was measured."""
    queries_needed: int = 0
    """Where the mean clears the floor and the bound doesn't: about how many queries the bound would take."""
    failed: list[str] = Field(default_factory=list)
    """Which gates failed, one sentence each."""


def judge(measured: Measurement, reference: Measurement, gates: Gates) -> Verdict:
    """Score a measurement against the reference's on the same queries."""
    if measured.failure:
        why = f"{measured.failure}: {measured.why}"
        return Verdict(score=0.0, speed=0.0, quality=0.0, lower=0.0, slack=-1.0, failed=[why])
    worst: tuple[float, float, int] | None = None
    failed = []
    for service, values in measured.quality.items():
        share, lower, needed = kept(values, reference.quality[service], gates)
        if lower < gates.floor:
            said = f"quality of {service}: {share:.3f} of the reference's, bound {lower:.3f}, floor {gates.floor:g}"
            failed.append(said)
        if worst is None or lower < worst[1]:
            worst = (share, lower, needed)
    share, lower, needed = worst or (1.0, 1.0, 0)
    if measured.latency_ms > gates.latency_ms:
        failed.append(f"latency: a batch takes {measured.latency_ms:.1f} ms, {gates.latency_ms:g} are allowed")
    if measured.errors > gates.errors:
        failed.append(f"errors: {measured.errors:.1%} of the queries without a full answer")
    speed = reference.cost_us / measured.cost_us if measured.cost_us > 0 else 0.0
    return Verdict(
        score=0.0 if failed else speed,
        speed=speed,
        quality=share,
        lower=lower,
        slack=lower - gates.floor,
        queries_needed=needed,
        failed=failed,
    )


def kept(values: list[float], reference: list[float], gates: Gates) -> tuple[float, float, int]:
    """Share of the reference's mean quality that is kept, its lower bound, and how many queries the bound would take.

    The differences ``q - floor * q_reference`` are taken query by query; their mean is above 0 exactly when the share
    is above the floor, and what both configurations find easy or hard drops out.
    """
    own, theirs = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    base = float(theirs.mean())
    if base <= 0:
        raise ConfigError("the reference answers no query of this split right; take more queries (--queries)")
    excess = own - gates.floor * theirs
    mean, n = float(excess.mean()), len(excess)
    share = float(own.mean()) / base
    if not gates.bounded or n < 2:
        return share, share, 0
    spread = float(excess.std(ddof=1))
    quantile = float(stats.t.ppf(gates.confidence, n - 1))
    lower = (mean - quantile * spread / math.sqrt(n)) / base + gates.floor
    needed = math.ceil((quantile * spread / mean) ** 2) if mean > 0 and lower < gates.floor else 0
    return share, lower, needed


def check_power(reference: Measurement, gates: Gates) -> None:
    """Refuse queries that are too few for any bound: those under which a configuration that keeps everything, and
    answers one query in ten otherwise, would fail.

    Raises:
        ConfigError: says how many it takes.
    """
    if not gates.bounded:
        return
    for service, values in reference.quality.items():
        own = np.asarray(values, dtype=np.float64)
        room = (1 - gates.floor) * float(own.mean())
        if room <= 0:
            continue
        spread = math.sqrt(0.1) * float(own.std(ddof=1)) if len(own) > 1 else 1.0
        quantile = float(stats.norm.ppf(gates.confidence))
        needed = max(FEWEST_QUERIES, math.ceil((quantile * spread / room) ** 2))
        if len(own) < needed:
            raise ConfigError(
                f"{len(own)} queries of {service} are too few for a lower {gates.confidence:.0%} bound at floor "
                f"{gates.floor:g}: it takes about {needed}; take more (--queries), or a lower floor"
            )
