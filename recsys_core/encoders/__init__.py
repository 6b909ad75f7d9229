"""From items to vectors: what they say, who chose them together, and both fused."""

from recsys_core.encoders.collaborative import CollaborativeConfig, CollaborativeEncoder
from recsys_core.encoders.fused import FusedConfig, FusedEncoder, fuse
from recsys_core.encoders.protocol import ItemEncoder, TrainSequences
from recsys_core.encoders.text import TextEncoder, TextEncoderConfig, item_description, item_descriptions

__all__ = [
    "CollaborativeConfig",
    "CollaborativeEncoder",
    "FusedConfig",
    "FusedEncoder",
    "ItemEncoder",
    "TextEncoder",
    "TextEncoderConfig",
    "TrainSequences",
    "fuse",
    "item_description",
    "item_descriptions",
]
