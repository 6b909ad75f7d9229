"""CapsID: soft-routed, variable-length codes against residual-quantised ones, in the same generator."""

from __future__ import annotations

from eval.claims.claim import Claim, beats, claim_of_rows
from eval.comparison.run import ComparisonDetail

ROWS = ("pure_capsid", "pure_sids")
"""The row that the claim is about, then its baseline; both are ablations."""


def run(detail: ComparisonDetail, *, seed: int = 0) -> Claim:
    """Test it on the rows of a comparison.

    Raises:
        ConfigError: a row is missing.
        DataError: the rows weren't measured on the same users.
    """
    statement = "soft-routed, variable-length codes beat residual-quantised ones"
    return claim_of_rows(
        detail,
        name="capsid",
        paper="CapsID, arXiv 2605.05096",
        statement=statement,
        findings=beats(detail, *ROWS, statement, seed),
        rows=ROWS,
        limits="Both are trained by the same recipe in Sidra's generator without an item token; the merging of codes "
        "(SemanticBPE) is not part of it, and the residual codes are those of k-means.",
        seed=seed,
    )
