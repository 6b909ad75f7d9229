"""What all neural baselines can be told about their training. Needs no torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class TrainingRecipe(BaseModel):
    """How a neural baseline is trained: AdamW, one warm-up epoch, then a cosine down to 5 %."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: PositiveInt = 10
    """Passes over every user's training items."""
    learning_rate: PositiveFloat = 2e-3
    """Peak of the schedule."""
    weight_decay: float = Field(default=0.1, ge=0)
    """AdamW decay on transformer and projections; embeddings get none."""
    batch_positions: PositiveInt = 1024
    """Item positions in a batch; several thousand fall out of the processor's cache."""
    validation_users: PositiveInt = 5000
    """At most so many validated users decide, after each epoch, whether it is the best so far."""
