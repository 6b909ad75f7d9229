"""What a text makes one feel: six emotions, how stimulating they are together, and sentences to measure them in."""

from recsys_core.emotion.classes import EMOTIONS, EmotionScorer
from recsys_core.emotion.classifier import EmotionClassifier
from recsys_core.emotion.lexicon_scorer import LexiconScorer
from recsys_core.emotion.measure import HIGH_STIMULUS, emotion_balance, high_stimulus_rate, stimulus

__all__ = [
    "EMOTIONS",
    "HIGH_STIMULUS",
    "EmotionClassifier",
    "EmotionScorer",
    "LexiconScorer",
    "emotion_balance",
    "high_stimulus_rate",
    "stimulus",
]
