"""SIGMA: adaptive fusion of prefix and item scores against the best prefix only and against a fixed sigma."""

from __future__ import annotations

from eval.claims.claim import OPEN, Claim, beats, claim_of_rows, row, weakest
from eval.comparison.run import ComparisonDetail

ROWS = ("generator", "generator_top1", "generator_fixed")
"""The row that the claim is about, then its two ablations; all three from one release."""


def run(detail: ComparisonDetail, *, seed: int = 0) -> Claim:
    """Test it on the rows of a comparison.

    Raises:
        ConfigError: a row is missing.
        DataError: the rows weren't measured on the same users.
    """
    adaptive, best_only, fixed = ROWS
    power, item_head = _chosen(detail)
    findings = [
        *beats(detail, adaptive, best_only, "adaptive fusion beats taking the best prefix only", seed),
        *beats(detail, adaptive, fixed, "adaptive fusion beats a fixed sigma", seed),
    ]
    if item_head:
        # a gain may be the head's, so it confirms nothing about fusion
        findings = [f.model_copy(update={"verdict": weakest([f.verdict, OPEN])}) for f in findings]
    return claim_of_rows(
        detail,
        name="sigma",
        paper="SIGMA, arXiv 2602.22913",
        statement="adaptive fusion of prefix and item scores beats taking the best prefix only, and beats a fixed "
        "sigma",
        findings=findings,
        rows=ROWS,
        limits=_limits(power, item_head),
        seed=seed,
    )


def _chosen(detail: ComparisonDetail) -> tuple[float | None, float]:
    """Power of the spread and share of the item head that validation chose for plain requests."""
    mix = row(detail, ROWS[0]).settings.get("mixes", {}).get("for_you", {})
    return mix.get("fusion", {}).get("power"), float(mix.get("item_head", 0.0))


def _limits(power: float | None, item_head: float) -> str:
    told = []
    if power == 0:
        told.append("Validation chose power 0 for the spread of the prefixes, which is the fixed sigma itself.")
    elif power is not None:
        told.append(f"Validation chose power {power:g} for the spread of the prefixes.")
    if item_head:
        told.append(
            f"Of the row's probability {100 * item_head:g} % is the auxiliary item head's, which the two ablations "
            "lack: a gain can't be told apart from the head's, so it confirms nothing."
        )
    return " ".join(told)
