"""What a release says of items that were added to it without training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.generator.prepare import centred_with, content_mean
from recsys_core.releases.release import Release

Floats = NDArray[np.float32]

EXTENSION = "extension"
"""Key of a manifest's configuration that says what a release was extended from."""


class Extension(BaseModel):
    """What a manifest says about items that were added without training."""

    model_config = ConfigDict(extra="forbid")

    parent: str
    """Release that was extended."""
    added: int
    """How many items this step added."""
    trained_items: int
    """How many items, the first ones of the catalogue, the generator was trained on."""
    source: str
    """Name of the file that the items came from."""
    left_out: list[str] = Field(default_factory=list)
    """Generator families of the parent that this release lacks, because added items are unknown to them."""


def trained_items(release: Release) -> int:
    """How many items, the first ones of the catalogue, the release's generator was trained on."""
    extension = release.manifest.config.get(EXTENSION)
    return release.manifest.item_count if extension is None else Extension.model_validate(extension).trained_items


def release_content(release: Release, text: Floats) -> Floats:
    """Text vectors as the release's generator knows them: centred with the mean of the items it was trained on.

    Args:
        release: any release.
        text: float32[n_items, d_text], its text vectors; rows of further items may follow.
    """
    return centred_with(text, content_mean(text[: trained_items(release)]))
