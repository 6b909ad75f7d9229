"""From item vectors to semantic IDs, with a report on how good they are."""

from recsys_core.sids.balanced_kmeans import BalancedKMeans, BalancedKMeansConfig
from recsys_core.sids.capsid import CapsID, CapsIDConfig
from recsys_core.sids.config import SidConfig
from recsys_core.sids.layouts import HybridTokenizer, PureTokenizer, load_tokenizer, make_tokenizer
from recsys_core.sids.protocol import Quantizer, SidTokenizer
from recsys_core.sids.published import PublishedCodes, PublishedCodesConfig
from recsys_core.sids.quality import LevelQuality, SidQuality, SidThresholds
from recsys_core.sids.residual_kmeans import ResidualKMeans, ResidualKMeansConfig
from recsys_core.sids.rq_vae import RQVAE, RQVAEConfig

__all__ = [
    "RQVAE",
    "BalancedKMeans",
    "BalancedKMeansConfig",
    "CapsID",
    "CapsIDConfig",
    "HybridTokenizer",
    "LevelQuality",
    "PublishedCodes",
    "PublishedCodesConfig",
    "PureTokenizer",
    "Quantizer",
    "RQVAEConfig",
    "ResidualKMeans",
    "ResidualKMeansConfig",
    "SidConfig",
    "SidQuality",
    "SidThresholds",
    "SidTokenizer",
    "load_tokenizer",
    "make_tokenizer",
]
