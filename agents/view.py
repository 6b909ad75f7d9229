"""What one turn knows of the catalogue, from its first word to its last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.understanding.roles import Roles
from agents.understanding.rules import RuleUnderstanding
from tools.context import Recommends
from tools.titles import TitleIndex


@dataclass(frozen=True)
class View:
    """The catalogue as it was when a turn began.

    Attributes:
        recommender: the release that answers.
        titles: of the items that may be named.
        understanding: rules for this catalogue.
    """

    recommender: Recommends
    titles: TitleIndex
    understanding: RuleUnderstanding

    @classmethod
    def of(cls, recommender: Recommends, before: View | None = None) -> View:
        """A view of a recommender; titles that were read for the one before are used again if they are the same."""
        catalogue = recommender.catalogue
        if before is not None and before.recommender.catalogue.frame is catalogue.frame:
            titles = before.titles
        else:
            titles = make_title_index(recommender)
        titles = titles.offering(catalogue.offered)
        return cls(recommender, titles, RuleUnderstanding(catalogue, titles))


def make_title_index(recommender: Recommends) -> TitleIndex:
    """Titles of a release, with years and popularity where the catalogue and the log have them."""
    catalogue = recommender.catalogue
    year = Roles.of(catalogue).year
    interactions = getattr(recommender, "log", None)
    popularity = None if interactions is None else np.bincount(interactions.items, minlength=len(catalogue))
    return TitleIndex(catalogue.titles, catalogue.numbers(year) if year else None, popularity)
