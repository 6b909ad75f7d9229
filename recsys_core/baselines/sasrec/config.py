"""Settings of SASRec, and what they should be for a log of a given size. Needs no torch."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from recsys_core.baselines.recipe import TrainingRecipe

LARGE_CATALOGUE = 8192
"""Above this many items training is longer, slower and more strongly regularised."""
DENSE_POSITIONS = 30
"""From so many training positions an item on, a log is dense (MovieLens has 58, the Amazon sets about 10)."""


class SasRecConfig(TrainingRecipe):
    """SASRec as it is strongest on logs of a hundred thousand interactions; wider or deeper overfits."""

    width: PositiveInt = 64
    """Size of every hidden vector."""
    layers: PositiveInt = 2
    """Transformer blocks."""
    heads: PositiveInt = 2
    """Attention heads; must divide ``width``."""
    window: PositiveInt = 50
    """How many of the newest history items are read."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Dropout on embeddings, attention output and feed-forward."""
    use_content: bool = True
    """Add a linear map of the content vectors to the learned item vectors."""
    cosine: bool = True
    """Cosine logits with a learned factor; otherwise the plain dot product of Kang & McAuley."""
    start_scale: PositiveFloat = 14.0
    """First value of the factor on cosine logits."""
    full_softmax_items: int = Field(default=4096, ge=0)
    """Up to so many items every softmax runs over the catalogue; above, negatives are sampled."""
    sampled_items: PositiveInt = 1500
    """Negatives drawn evenly for each batch and shared by its positions, beside the batch's own targets."""

    @classmethod
    def for_size(cls, n_items: int, n_positions: int) -> SasRecConfig:
        """The recipe for a log.

        Three cases, from the sets that the recipe was found on. At least :data:`DENSE_POSITIONS` positions an item:
        dropout 0.2, learning rate 2e-3, 15 epochs. Otherwise up to :data:`LARGE_CATALOGUE` items: 0.3, 2e-3, 10 epochs;
        more items: 0.5, 1.5e-3, 12 epochs, since most of them are seen a few times only, and twice the width.

        Args:
            n_items: size of the catalogue.
            n_positions: training interactions.
        """
        if n_positions >= DENSE_POSITIONS * n_items:
            return cls(dropout=0.2, learning_rate=2e-3, epochs=15)
        if n_items <= LARGE_CATALOGUE:
            return cls(dropout=0.3, learning_rate=2e-3, epochs=10)
        return cls(width=128, dropout=0.5, learning_rate=1.5e-3, epochs=12)
