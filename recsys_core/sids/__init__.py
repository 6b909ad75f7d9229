"""From item vectors to semantic IDs, with a report on how good they are."""

from recsys_core.sids.layouts import HybridTokenizer, PureTokenizer, SidConfig, load_tokenizer, make_tokenizer
from recsys_core.sids.protocol import SidTokenizer
from recsys_core.sids.quality import LevelQuality, SidQuality, SidThresholds
from recsys_core.sids.residual_kmeans import ResidualKMeans, ResidualKMeansConfig

__all__ = [
    "HybridTokenizer",
    "LevelQuality",
    "PureTokenizer",
    "ResidualKMeans",
    "ResidualKMeansConfig",
    "SidConfig",
    "SidQuality",
    "SidThresholds",
    "SidTokenizer",
    "load_tokenizer",
    "make_tokenizer",
]
