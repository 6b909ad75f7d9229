"""What one release holds and where it lies in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recsys_core.errors import ReleaseError

SCHEMA_VERSION = 1
"""Goes up whenever an older release can no longer be read."""

MANIFEST = "manifest.json"
"""Name of the file that is written last, so a folder without it is not a release."""


class StageRecord(BaseModel):
    """One finished stage of a build."""

    model_config = ConfigDict(extra="forbid")

    hash: str
    """Hash of everything the stage read: its configuration, its code version and the outputs before it."""
    seconds: float
    """How long it took, wall-clock."""
    outputs: dict[str, str] = Field(default_factory=dict)
    """File path relative to the release -> sha256 of its bytes."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Figures that the stage measured."""


class Manifest(BaseModel):
    """What a release was made of and how it measured up."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    """Layout of the folder; another version is refused."""
    id: str
    """Name of the release and of its folder."""
    created: str
    """When the build finished, ISO 8601 in UTC."""
    dataset: dict[str, Any] = Field(default_factory=dict)
    """The data set's own description (dataset.json)."""
    config: dict[str, Any] = Field(default_factory=dict)
    """The build configuration in force."""
    stages: dict[str, StageRecord] = Field(default_factory=dict)
    """Finished stages in order."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Figures that the build measured on itself."""
    item_count: int = Field(ge=0)
    """How many items the catalogue has."""


class Release:
    """A finished, read-only folder.

    Args:
        path: the folder.

    Raises:
        ReleaseError: not a release, a damaged manifest, or another schema version.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.manifest = read_manifest(self.path)

    @property
    def id(self) -> str:
        """Name of the release."""
        return self.manifest.id

    @property
    def catalogue(self) -> Path:
        """Parquet of :class:`recsys_core.catalog.catalogue.Catalogue`."""
        return self.path / "catalogue.parquet"

    @property
    def interactions(self) -> Path:
        """Parquet of :class:`recsys_core.catalog.interactions.InteractionLog`."""
        return self.path / "interactions.parquet"

    @property
    def text_vectors(self) -> Path:
        """float32[n_items, 384], rows of length 1."""
        return self.path / "text_vectors.npy"

    @property
    def item_vectors(self) -> Path:
        """float32[n_items, d], the fused item vectors."""
        return self.path / "item_vectors.npy"

    @property
    def sids(self) -> Path:
        """int32[n_items, L], row = item index."""
        return self.path / "sids.npy"

    @property
    def index(self) -> Path:
        """Folder of the constraint index's arrays."""
        return self.path / "index"

    @property
    def item_cf(self) -> Path:
        """Neighbour lists of item-CF."""
        return self.path / "item_cf.npz"

    @property
    def popularity(self) -> Path:
        """int64[n_items], training interactions of each item."""
        return self.path / "popularity.npy"

    @property
    def generator(self) -> Path:
        """Folder with config.json and model.safetensors."""
        return self.path / "generator"

    @property
    def serving(self) -> Path:
        """JSON of what validation chose for serving (mixing weights, beam)."""
        return self.path / "serving.json"

    @property
    def has_lm(self) -> bool:
        """Whether the build trained a language model and fitted its mix."""
        return "serving_lm" in self.manifest.stages

    @property
    def lm(self) -> Path:
        """Folder of the language model in transformers layout; only where :attr:`has_lm`."""
        return self.path / "lm"

    @property
    def serving_lm(self) -> Path:
        """As :attr:`serving`, for the language model; only where :attr:`has_lm`."""
        return self.path / "serving_lm.json"

    @property
    def collection(self) -> Path:
        """Folder of the vector collection."""
        return self.path / "collection"

    def __repr__(self) -> str:
        return f"Release({self.id!r}, {self.manifest.item_count} items)"


def read_manifest(path: Path) -> Manifest:
    """Read and check the manifest of the release in folder ``path``.

    Raises:
        ReleaseError: there is none, it can't be read, or it is of another schema version.
    """
    file = path / MANIFEST
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReleaseError(f"{path} holds no release ({MANIFEST} is missing); run `sidra build`") from None
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{file} can't be read ({error}); run `sidra build` to make the release anew") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise ReleaseError(
            f"release {path.name} has schema version {version}, this Sidra reads {SCHEMA_VERSION}; "
            "run `sidra build` to make it anew"
        )
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReleaseError(f"{file}: {where}: {first['msg']}; run `sidra build` to make the release anew") from error
