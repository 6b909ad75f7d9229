"""What a generator family offers to serving: requests read once, then searched under rules.

``compact`` and ``lm`` run in this process, ``vllm`` asks a server. Serving, mixing and evaluation see this protocol
alone, so that a family is chosen by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.filters import ItemFilter
from recsys_core.generator.fusion import Fusion

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class Rules(NamedTuple):
    """What may come back for each request of a batch, in two forms that say the same.

    In process the mask is used; a server gets filter and exclusions and works the mask out on its own copy of the
    release.

    Attributes:
        allowed: bool[B, n_items].
        filters: one a request, None where there is no filter; empty when only the mask is known.
        excluded: one int64[e] a request, item indices that must not come back whatever the filter says; empty when
            only the mask is known.
    """

    allowed: NDArray[np.bool_]
    filters: Sequence[ItemFilter | None] = ()
    excluded: Sequence[Ints] = ()

    def take(self, rows: Ints) -> Rules:
        """Those of some of the requests: int64[b]."""
        return Rules(
            self.allowed[rows],
            [self.filters[row] for row in rows] if self.filters else (),
            [self.excluded[row] for row in rows] if self.excluded else (),
        )


class Read(Protocol):
    """Requests that a family has read, in whatever form it keeps them."""

    def take(self, rows: Ints) -> Self:
        """Some of the requests, in the given order: int64[b]."""
        ...


R = TypeVar("R", bound=Read)


def no_items() -> tuple[Ints, Floats, Floats]:
    """Items and scores of a search for no request: int64[0, 0] and two float32[0, 0]."""
    return np.empty((0, 0), np.int64), np.empty((0, 0), np.float32), np.empty((0, 0), np.float32)


def degraded_reasons(encoded: Any, requests: int) -> list[str]:
    """Why each request was answered by another engine than asked for; empty strings where it wasn't.

    Families that have a second engine say so by a property ``degraded`` of what they have read; the others have none.
    """
    return list(getattr(encoded, "degraded", None) or [""] * requests)


class Found(Protocol):
    """What a search found, ``B`` requests and at most ``P`` items each."""

    @property
    def items(self) -> Ints:
        """int64[B, P] item indices, best first, -1 where there are no more."""
        ...

    @property
    def log_probability(self) -> Floats:
        """float32[B, P], over the whole catalogue, -inf where there are no more."""
        ...

    @property
    def fused(self) -> Floats:
        """float32[B, P], what the order follows."""
        ...

    @property
    def spread(self) -> Floats:
        """float32[B], how much the kept prefixes differ (:func:`recsys_core.generator.fusion.spread`)."""
        ...


class Family(Protocol[R]):
    """A generator as serving sees it."""

    def encode(self, histories: Sequence[Ints], instructions: Sequence[str]) -> R:
        """Read histories (item indices, newest last) and instructions (plain words, blank for none)."""
        ...

    def search(
        self, encoded: R, rules: Rules, widths: Ints, pool: int, fusion: Fusion | None = None
    ) -> tuple[Found, dict[str, float]]:
        """The most probable allowed items of each request, and milliseconds by stage.

        Args:
            encoded: from :meth:`encode`.
            rules: what may come back.
            widths: int64[B], prefixes kept at each level, or int64[B, L - 1] by level.
            pool: at most so many items come back a request.
            fusion: how prefix and item scores are combined; the model's own probabilities when None.
        """
        ...

    def log_probabilities(self, encoded: R, items: Ints) -> Floats:
        """Exact log-probability of given items: int64[B, M] (-1 = padding) to float32[B, M]."""
        ...

    def item_head(self, encoded: R) -> Floats | None:
        """Log-probability of every item by one softmax over the catalogue: float32[B, n_items]; None if it has none."""
        ...


AnyFamily: TypeAlias = Family[Any]
"""A family chosen by name: only itself knows what it has read."""
