"""TIGER: generative retrieval over semantic IDs against a sequential recommender that scores items."""

from __future__ import annotations

from eval.claims.claim import Claim, beats, claim_of_rows
from eval.comparison.run import ComparisonDetail

ROWS = ("tiger", "sasrec")
"""The row that the claim is about, then its baseline."""


def run(detail: ComparisonDetail, *, seed: int = 0) -> Claim:
    """Test it on the rows of a comparison.

    Raises:
        ConfigError: a row is missing.
        DataError: the rows weren't measured on the same users.
    """
    statement = "generative retrieval over semantic IDs beats sequential recommenders such as SASRec"
    return claim_of_rows(
        detail,
        name="tiger",
        paper="TIGER, arXiv 2305.05065",
        statement=statement,
        findings=beats(detail, *ROWS, statement, seed),
        rows=ROWS,
        limits="SASRec's shape was chosen on validation, TIGER has one setting; its semantic IDs are codes of residual "
        "k-means, not of the paper's RQ-VAE.",
        seed=seed,
    )
