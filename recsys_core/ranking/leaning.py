"""How a readable profile conditions a ranking: its sentence vector against the items' text vectors, added in nats.

Somebody's own words (``about``) lean at any length of history; what was written from the history (``profile``) tells
the recommender nothing that the history doesn't, so it leans only where a release gives it a weight. Both give way to
an instruction: what is asked for now is the stronger wish.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.generator.protocol import GenerateRequest, Task

if TYPE_CHECKING:
    from recsys_core.generator.fits import WordFits

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class ProfileMix(BaseModel):
    """How much profiles lean.

    What was written from a history weighs nothing: fitted on half of MovieLens-100K's validation users, no use of it
    raised NDCG@10 of the other half at 2 and at 5 items of history (docs/results/profiles.md).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    written: float = Field(default=0.0, ge=0, le=20)
    """Weight of likeness to a written profile, for a history of at most ``upto`` items; 0 leaves it out."""
    stated: float = Field(default=0.4, ge=0, le=20)
    """Likewise, of likeness to somebody's own words, for any history; what people say of themselves should show."""
    upto: int = Field(default=5, ge=0)
    """Longest history for which a written profile leans."""
    sharpness: float = Field(default=40.0, gt=0)
    """Factor on the cosines before the softmax."""
    floor: float = Field(default=1e-4, gt=0, lt=1)
    """Added to the likeness before the logarithm: what is unlike the profile is damped, not forbidden."""


class Leaning(NamedTuple):
    """What a request's profile says, and who said it.

    Attributes:
        text: plain words; empty for none.
        by: ``about`` (the person) or ``profile`` (written from the history).
    """

    text: str
    by: Literal["about", "profile"]


NO_LEANING = Leaning("", "profile")
"""Nothing is known."""


def conditioned(request: GenerateRequest, profile: str = "", about: str = "") -> GenerateRequest:
    """The request with a profile: the one way in which profiles reach a recommender.

    Args:
        request: as it was made.
        profile: written from the history.
        about: the person's own words.
    """
    return request.model_copy(update={"profile": profile[:2000], "about": about[:2000]})


def profile_words(request: GenerateRequest) -> tuple[str, Leaning]:
    """The instruction under which a request is answered, and what leans beside it.

    Somebody without history and without a wish is answered from what they say of themselves alone: it is the
    instruction then.
    """
    asked = request.instruction.strip()
    about, profile = request.about.strip(), request.profile.strip()
    if asked or request.task is not Task.for_you:
        return request.instruction, NO_LEANING
    if about and not request.history and not request.anchors:
        return about, NO_LEANING
    if about:
        return request.instruction, Leaning(about, "about")
    return request.instruction, Leaning(profile, "profile") if profile else NO_LEANING


def leanings(
    told: Sequence[Leaning], histories: Sequence[Ints], fits: WordFits, mix: ProfileMix
) -> list[Floats | None]:
    """What each query's profile adds to the score of every item: float32[n_items] in nats, None for nothing."""
    weights = [_weight(leaning, len(history), mix) for leaning, history in zip(told, histories, strict=True)]
    rows = [n for n, weight in enumerate(weights) if weight > 0]
    added: list[Floats | None] = [None] * len(told)
    if rows:
        likeness = log_likeness(fits, [told[n].text for n in rows], mix)
        for place, row in enumerate(rows):
            added[row] = np.asarray(weights[row] * likeness[place], dtype=np.float32)
    return added


def log_likeness(fits: WordFits, texts: Sequence[str], mix: ProfileMix) -> Floats:
    """Logarithm of a softmax over cosines between each text and the items' texts: float32[B, n_items]."""
    logits = mix.sharpness * (np.asarray(fits.encode_texts(list(texts)), dtype=np.float32) @ fits.text.numpy().T)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(np.log(shares + mix.floor), dtype=np.float32)


def _weight(leaning: Leaning, length: int, mix: ProfileMix) -> float:
    if not leaning.text:
        return 0.0
    if leaning.by == "about":
        return mix.stated
    return mix.written if length <= mix.upto else 0.0
