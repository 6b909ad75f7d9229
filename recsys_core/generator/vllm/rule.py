"""What a request to a server says about the items that may come back; written by the client, read by the plug-in."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from recsys_core.catalog.filters import ItemFilter

ARGUMENT = "sidra_rule"
"""Name under which a rule travels in a request's ``vllm_xargs``, as a JSON string."""

LONGEST = 4_000_000
"""Most characters of ``excluded``."""

_RANGES = re.compile(r"(\d{1,10}(-\d{1,10})?(,\d{1,10}(-\d{1,10})?)*)?")

Probabilities = Literal["allowed", "catalogue", "items"]


class ServerRule(BaseModel):
    """One request's rule. A request without one is left alone by the plug-in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    release: str = Field(max_length=100)
    """Release that the client speaks of; a server of another one refuses."""
    filter: ItemFilter | None = None
    """What every item satisfies."""
    excluded: str = Field(default="", max_length=LONGEST)
    """Item indices that must not come back, ascending, runs as ``first-last``: ``3,7-12,40``."""
    probabilities: Probabilities = "allowed"
    """What probabilities are relative to.

    ``allowed``: to the continuations that the rule leaves; for clients that sample, whose every answer is then an
    allowed item. ``catalogue``: to all continuations that exist, so that they don't depend on the rule; what closed
    ones would have had goes to the padding token (one token a request). ``items``: as ``catalogue``, by the model's
    item head (one softmax over the whole catalogue at the end of the prompt).
    """

    @field_validator("excluded")
    @classmethod
    def _ranges(cls, value: str) -> str:
        if not _RANGES.fullmatch(value):
            raise ValueError("give item indices and runs with commas between them, such as 3,7-12,40")
        return value


def pack_items(items: ArrayLike) -> str:
    """Item indices ``int[n]``, in any order, as :attr:`ServerRule.excluded`."""
    known = np.unique(np.asarray(items, dtype=np.int64))
    if not len(known):
        return ""
    breaks = np.flatnonzero(np.diff(known) > 1)
    first, last = known[np.r_[0, breaks + 1]].tolist(), known[np.r_[breaks, len(known) - 1]].tolist()
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in zip(first, last, strict=True))


def unpack_items(text: str, n_items: int) -> NDArray[np.bool_]:
    """Which items :attr:`ServerRule.excluded` names: ``bool[n_items]``.

    Raises:
        ValueError: an index that no item has, or a run that ends before it begins.
    """
    named = np.zeros(n_items, dtype=bool)
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        begin, end = int(first), int(last or first)
        if not begin <= end < n_items:
            raise ValueError(f"{part!r} isn't within the {n_items} items, 0 to {n_items - 1}")
        named[begin : end + 1] = True
    return named
