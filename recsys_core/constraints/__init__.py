"""Which semantic IDs exist, and which of them a rule leaves open."""

from recsys_core.constraints.arrays import IntArray
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.constraints.restriction import Restriction

__all__ = ["ConstraintIndex", "IntArray", "Restriction"]
