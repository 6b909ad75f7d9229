"""Which semantic IDs exist, and which of them a rule leaves open."""

from recsys_core.constraints.index import ConstraintIndex, IntArray
from recsys_core.constraints.restriction import Restriction

__all__ = ["ConstraintIndex", "IntArray", "Restriction"]
