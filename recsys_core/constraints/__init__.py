"""Which semantic IDs exist, and which of them a rule leaves open."""

from recsys_core.constraints.arrays import IntArray
from recsys_core.constraints.cache import RuleCache, RuleCacheConfig
from recsys_core.constraints.continuations import Best, Continuations
from recsys_core.constraints.delta import DeltaIndex
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.constraints.masking import Masker, MaskerConfig
from recsys_core.constraints.restriction import Restriction
from recsys_core.constraints.rules import Rule

__all__ = [
    "Best",
    "ConstraintIndex",
    "Continuations",
    "DeltaIndex",
    "IntArray",
    "Masker",
    "MaskerConfig",
    "Restriction",
    "Rule",
    "RuleCache",
    "RuleCacheConfig",
]
