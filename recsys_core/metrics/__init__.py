"""Measures of recommendation lists and their uncertainty; NumPy in, NumPy out, no knowledge of models or files."""

from recsys_core.metrics.bootstrap import Interval, bootstrap_exposure, bootstrap_mean, bootstrap_paired
from recsys_core.metrics.lists import (
    coverage,
    exposure,
    gini,
    intra_list_diversity,
    novelty,
    self_information,
)
from recsys_core.metrics.ranking import (
    break_ties,
    ndcg_at,
    recall_at,
    reciprocal_rank_at,
    target_ranks,
    top_k,
)

__all__ = [
    "Interval",
    "bootstrap_exposure",
    "bootstrap_mean",
    "bootstrap_paired",
    "break_ties",
    "coverage",
    "exposure",
    "gini",
    "intra_list_diversity",
    "ndcg_at",
    "novelty",
    "recall_at",
    "reciprocal_rank_at",
    "self_information",
    "target_ranks",
    "top_k",
]
