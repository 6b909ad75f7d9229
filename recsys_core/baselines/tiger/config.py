"""Settings of TIGER. Needs no torch."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from recsys_core.baselines.recipe import TrainingRecipe


class TigerConfig(TrainingRecipe):
    """Shape, decoding and training; small enough to be trained on a processor."""

    width: PositiveInt = 64
    """Size of every hidden vector."""
    encoder_layers: PositiveInt = 2
    """Transformer blocks that read the history's tokens."""
    decoder_layers: PositiveInt = 2
    """Transformer blocks that write a semantic ID."""
    heads: PositiveInt = 4
    """Attention heads; must divide ``width``."""
    window: PositiveInt = 20
    """How many of the newest history items are read (20 in the paper)."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout on embeddings, attention output and feed-forward."""
    cosine: bool = True
    """Cosine logits with a learned factor a level; otherwise the dot product of the paper."""
    start_scale: PositiveFloat = 14.0
    """First value of the factor on cosine logits."""
    beam: PositiveInt = 50
    """How many partial semantic IDs are kept; other items are not proposed."""
    epochs: PositiveInt = 20
    """Passes over every user's training items."""
    learning_rate: PositiveFloat = 3e-3
    """Peak of the schedule."""
    batch_positions: PositiveInt = 256
    """Item positions in a batch, each as many tokens as a semantic ID is long."""
    validation_users: PositiveInt = 1000
    """Fewer than for other models, since decoding is slow."""
