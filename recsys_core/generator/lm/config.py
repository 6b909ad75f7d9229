"""Settings of the ``lm`` generator and of its training."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator


class LmConfig(BaseModel):
    """Shape of the language model.

    With ``pretrained`` left out this is ``tiny``: a Llama of the given width and depth, trained from scratch on a
    processor. ``pretrained`` names an instruct model in transformers layout (``small``: SmolLM2-135M and its like),
    which keeps its own shape and tokenizer and is extended with semantic-ID tokens.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pretrained: str = ""
    """Folder or hub name of the model to extend; empty for one from scratch."""
    width: PositiveInt = 64
    """Size of every hidden vector (from scratch only)."""
    layers: PositiveInt = 2
    """Transformer blocks (from scratch only)."""
    heads: PositiveInt = 2
    """Attention heads (from scratch only); must divide ``width``."""
    feed_forward: PositiveInt = 256
    """Inner size of the gated feed-forward layers (from scratch only)."""
    text_tokens: int = Field(default=2048, ge=300)
    """At most so many tokens for words (from scratch only); 256 of them are the bytes."""
    text_limit: PositiveInt = 32
    """Longest instruction in tokens; the rest is cut off."""
    window: PositiveInt = 50
    """How many of the newest history items are read."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Dropout on embeddings and on what attention and feed-forward layers add, in training only."""
    start_scale: PositiveFloat = 14.0
    """First value of the learned factors on cosine logits (inverse temperatures)."""
    lazy_layers: int = Field(default=0, ge=0)
    """So many of the lower layers see the prompt and the level only, and run once a request for all beams
    (:mod:`recsys_core.generator.lm.lazy`; from scratch only, served in process only). 0 is the ordinary decoder."""
    shared_vectors: bool = True
    """Whether a semantic-ID token has one vector for reading and for writing (before folding), or two."""

    @model_validator(mode="after")
    def _lazy_layers_are_some_of_the_layers(self) -> LmConfig:
        if self.lazy_layers and self.pretrained:
            raise ValueError("lazy_layers needs a model from scratch: pretrained layers have always seen all tokens")
        if self.lazy_layers >= self.layers and not self.pretrained:
            raise ValueError(f"lazy_layers {self.lazy_layers} leaves none of {self.layers} layers to read codes")
        return self


class LmTrainConfig(BaseModel):
    """How the model is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: PositiveInt = 12
    """Passes over every user's training items."""
    learning_rate: PositiveFloat = 2e-3
    """Peak of the schedule: one warm-up epoch, then a cosine down to 5 %."""
    pretrained_rate: PositiveFloat = 0.05
    """Factor on the learning rate of weights that came pretrained; new tokens learn at the full rate."""
    weight_decay: float = Field(default=0.1, ge=0)
    """AdamW decay on transformer and projection; embeddings get none."""
    batch_positions: PositiveInt = 1024
    """Targets in one optimiser step on one device, before accumulation."""
    row_tokens: PositiveInt = 128
    """Short users share a row of about so many tokens; a longer one has a row of its own."""
    accumulate: PositiveInt = 1
    """Batches whose gradients are added up before a step."""
    instruction_share: float = Field(default=0.5, ge=0, le=1)
    """Share of pieces of history that carry an instruction with a condition."""
    silent_share: float = Field(default=0.6, ge=0, le=1)
    """Share of plain requests ("recommend something for me") whose words are left out, so that none are needed."""
    alignment_share: float = Field(default=0.4, ge=0, lt=1)
    """Share of training documents that tie words to items, whoever asks: wording or title to item, item to words."""
    alignment_weight: float = Field(default=0.5, ge=0)
    """Weight of the items that these documents answer with, all together, against those of all histories. Counted one
    by one they are a hundredth of the targets, and words are hardly learned."""
    alignment_items: PositiveInt = 8
    """At most so many items that fit answer one wording."""
    auxiliary_weight: float = Field(default=1.0, ge=0)
    """Weight of the loss on the item among the whole catalogue, beside the loss on its semantic ID."""
    text_weight: float = Field(default=0.1, ge=0)
    """Weight of the next-token loss on words, in documents that answer with words."""
    sampled_items: PositiveInt = 1500
    """Shared negatives of the auxiliary loss; catalogues up to ``full_softmax_items`` use them all."""
    full_softmax_items: PositiveInt = 4096
    """Up to this many items the auxiliary softmax runs over the whole catalogue."""
    sampled_siblings: PositiveInt = 64
    """Items of the target's own prefix that stand in for all of them where a prefix has many more."""
    value_weight: float = Field(default=0.0, ge=0)
    """A target with value v (a rating, a price) weighs ``(v / mean value) ** value_weight``; 0 weighs all alike."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the transformer; ``auto`` takes bfloat16 on CUDA and float32 elsewhere."""
    patience: PositiveInt = 6
    """Epochs without a better validation NDCG@10 before training stops."""
    validate_users: PositiveInt = 1000
    """At most so many users are scored after each epoch (the same ones each time)."""
    seed: int = 0
    """Seed of initial weights, batches, instructions and dropout."""
    threads: PositiveInt = 2
    """Processor threads; part of the recipe, since sums in another order round differently."""


class LmBuild(BaseModel):
    """What `sidra build --with-lm` makes: a language model beside the compact generator, in the same release."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: LmConfig = Field(default_factory=LmConfig)
    """Its shape."""
    train: LmTrainConfig = Field(default_factory=LmTrainConfig)
    """How it is trained."""
