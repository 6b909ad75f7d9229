"""Settings of the ``compact`` generator and of its training."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class CompactConfig(BaseModel):
    """Shape of the model. Wider or deeper overfits on logs of a hundred thousand interactions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: PositiveInt = 64
    """Size of every hidden vector."""
    layers: PositiveInt = 2
    """Transformer blocks."""
    wish_width: PositiveInt = 48
    """Size of the vectors that instructions are matched on."""
    content_width: int = Field(default=128, ge=0)
    """Size of the content vectors that the third expert compares; 0 leaves that expert out."""
    heads: PositiveInt = 2
    """Attention heads; must divide ``width``."""
    window: PositiveInt = 50
    """How many of the newest history items are read."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout on embeddings, attention output and feed-forward."""
    start_scale: PositiveFloat = 14.0
    """First value of the learned factor on cosine logits (an inverse temperature)."""
    start_popularity: float = 0.5
    """First value of the learned factors on popularity; factors move slowly, so it should be near where they end."""


class TrainConfig(BaseModel):
    """How the model is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: PositiveInt = 20
    """Passes over every user's training items."""
    learning_rate: PositiveFloat = 2e-3
    """Peak of the schedule: one warm-up epoch, then a cosine down to 5 %."""
    weight_decay: float = Field(default=0.1, ge=0)
    """AdamW decay on transformer and projections; embeddings get none."""
    batch_positions: PositiveInt = 1024
    """Item positions in a batch; several thousand fall out of the processor's cache and run three times slower."""
    instruction_share: float = Field(default=0.5, ge=0, le=1)
    """Share of training segments that carry an instruction with a condition; the rest are plain next-item."""
    silent_share: float = Field(default=0.8, ge=0, le=1)
    """Share of plain pieces without any words; where most carry some ("recommend something for me"), requests without
    words, which are most of what is asked, are learned less well."""
    auxiliary_weight: float = Field(default=1.0, ge=0)
    """Weight of the loss on the item among the whole catalogue, beside the loss on its semantic ID."""
    value_weight: float = Field(default=0.0, ge=0)
    """A target with value v (a rating, a price) weighs ``(v / mean value) ** value_weight``, after the value-weighted
    next-token loss of GR4AD (arXiv 2602.22732); 0 weighs all alike."""
    grounding_weight: float = Field(default=0.5, ge=0)
    """Weight of the loss that ties words to the items they mean, whoever asks."""
    grounding_batch: PositiveInt = 32
    """Wordings in each step of that loss."""
    meaning_steps: int = Field(default=600, ge=0)
    """Steps that train which items words mean, after the generator; 0 leaves that untrained."""
    meaning_batch: PositiveInt = 64
    """Wordings in each of them."""
    sentence_noise: float = Field(default=0.02, ge=0)
    """Standard deviation of noise on sentence vectors, so that an unseen wording nearby means the same."""
    sampled_items: PositiveInt = 1500
    """Shared negatives of the auxiliary loss; catalogues up to ``full_softmax_items`` use them all."""
    sampling_correction: float = Field(default=0.0, ge=0, le=1)
    """How much of the correction for sampled negatives (the log of an item's chance to be one) is applied. The batch's
    items are negatives too, so without it popular items score below their share: better where popularity drifts."""
    full_softmax_items: PositiveInt = 4096
    """Up to this many items every softmax runs over the whole catalogue."""
    patience: PositiveInt = 6
    """Epochs without a better validation NDCG@10 before training stops."""
    validate_users: PositiveInt = 2000
    """At most so many users are scored after each epoch (the same ones each time)."""
    seed: int = 0
    """Seed of initial weights, batches, instructions and dropout."""
    threads: PositiveInt = 2
    """Processor threads; part of the recipe, since sums in another order round differently."""


LONG_HISTORIES = 20.0
"""Mean training items a user from which histories count as long."""

LARGE_LOG = 100_000
"""Training positions from which a log of short histories counts as large."""

SMALL_LOG = 30_000
"""Training positions below which a log is small: an epoch has too few steps to learn from."""


def recipe(positions: int, users: int) -> tuple[CompactConfig, TrainConfig]:
    """Settings for training data of a size.

    Those of sparse logs below :data:`LARGE_LOG` were chosen on the validation targets of a public set; width and
    dropout of larger ones are those that SASRec needs there. Short histories leave few positions an item: they need
    more dropout and fewer epochs. Small logs need smaller batches and more epochs, or training ends before it has
    begun.

    Args:
        positions: training interactions.
        users: users they belong to.
    """
    if positions >= LONG_HISTORIES * max(1, users):
        # behaviour says more than content here, and narrow content vectors make a step cheaper
        return CompactConfig(content_width=32), TrainConfig()
    if positions < SMALL_LOG:
        return CompactConfig(dropout=0.3), TrainConfig(epochs=20, batch_positions=256)
    if positions < LARGE_LOG:
        return CompactConfig(dropout=0.3), TrainConfig(epochs=12, instruction_share=0.2)
    # many items that are each seen a few times: room for all of them, much dropout, and an end before they are known by
    # heart. Content as an expert of its own and a prior on what was popular lower validation there (architecture.md)
    return (
        CompactConfig(width=128, dropout=0.5, content_width=0, start_popularity=0.0),
        TrainConfig(epochs=15, instruction_share=0.2, learning_rate=1.5e-3),
    )
