"""Generator families by name, opened from a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.generator.compact import CompactGenerator, EncodeTexts
from recsys_core.generator.family import AnyFamily
from recsys_core.releases.added import EXTENSION
from recsys_core.releases.release import Release

GeneratorName = Literal["compact", "lm"]
"""``compact`` is in every release, ``lm`` in those built with it."""


@dataclass(frozen=True, eq=False)
class FamilySource:
    """What a family is opened from.

    Attributes:
        release: its folder.
        index: of its semantic IDs.
        sids: int32[n_items, L], each item's own.
        content: float32[n_items, d_text], centred text vectors.
        encode_texts: sentence encoder of instructions.
    """

    release: Release
    index: ConstraintIndex
    sids: NDArray[np.int32]
    content: NDArray[np.float32]
    encode_texts: EncodeTexts


def open_family(name: GeneratorName, source: FamilySource) -> AnyFamily:
    """A release's generator of a family.

    Args:
        name: which.
        source: the release, opened.

    Raises:
        ConfigError: there is no such family.
        ReleaseError: the release holds none of that family, or it is damaged.
    """
    _check_name(name)
    return _OPENERS[name](source)


def serving_file(name: GeneratorName, release: Release) -> Path:
    """Where a release keeps what validation chose for a family.

    Raises:
        ConfigError: there is no such family.
        ReleaseError: the release holds none of that family.
    """
    _check_name(name)
    if name == "compact":
        return release.serving
    require_lm(release)
    return release.serving_lm


def require_lm(release: Release) -> None:
    """Make sure that a release holds a language model.

    Raises:
        ReleaseError: it doesn't; says how to come by one.
    """
    if release.has_lm:
        return
    why = "was built without a language model"
    if "lm" in release.manifest.config.get(EXTENSION, {}).get("left_out", []):
        why = "has no language model: items that were added without training are unknown to it, so it was left out"
    raise ReleaseError(f"release {release.id} {why}; run `sidra build --with-lm`, or set SIDRA_GENERATOR to compact")


def _check_name(name: str) -> None:
    known = get_args(GeneratorName)
    if name not in known:
        raise ConfigError(f"there is no generator {name!r}; set SIDRA_GENERATOR to {' or '.join(known)}")


def _compact(source: FamilySource) -> AnyFamily:
    return CompactGenerator.load(
        source.release.generator, source.sids, source.content, source.index, source.encode_texts
    )


def _lm(source: FamilySource) -> AnyFamily:
    require_lm(source.release)
    # transformers takes seconds to import; whoever serves compact needn't wait for it
    from recsys_core.generator.lm.generator import LmGenerator

    return LmGenerator.load(source.release.lm, source.index)


_OPENERS: dict[GeneratorName, Callable[[FamilySource], AnyFamily]] = {"compact": _compact, "lm": _lm}
