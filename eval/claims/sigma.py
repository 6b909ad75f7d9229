"""SIGMA: adaptive fusion of prefix and item scores against the best prefix only and against a fixed sigma."""

from __future__ import annotations

from eval.claims.claim import Claim, beats, claim_of_rows, row
from eval.comparison.run import ComparisonDetail

ROWS = ("generator_sigma", "generator_top1", "generator_fixed")
"""Adaptive fusion as the paper has it, then its two ablations; one release, the same item head in all."""


def run(detail: ComparisonDetail, *, seed: int = 0) -> Claim:
    """Test it on the rows of a comparison.

    Raises:
        ConfigError: a row is missing.
        DataError: the rows weren't measured on the same users.
    """
    adaptive, best_only, fixed = ROWS
    findings = [
        *beats(detail, adaptive, best_only, "adaptive fusion beats taking the best prefix only", seed),
        *beats(detail, adaptive, fixed, "adaptive fusion beats a fixed sigma", seed),
    ]
    return claim_of_rows(
        detail,
        name="sigma",
        paper="SIGMA, arXiv 2602.22913",
        statement="adaptive fusion of prefix and item scores beats taking the best prefix only, and beats a fixed "
        "sigma",
        findings=findings,
        rows=ROWS,
        limits=_limits(detail),
        seed=seed,
    )


def _limits(detail: ComparisonDetail) -> str:
    """What validation chose for what is served, where it is known."""
    mix = row(detail, ROWS[0]).settings.get("mixes", {}).get("for_you", {})
    power = mix.get("fusion", {}).get("power")
    if power is None:
        return ""
    same = ", which is the fixed sigma itself" if power == 0 else ""
    return f"For what is served, validation chose power {power:g} for the spread of the prefixes{same}."
