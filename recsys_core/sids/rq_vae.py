"""RQ-VAE: an encoder, residual codes of what it gives, and a decoder, learned together.

After TIGER (Rajput et al. 2023, arXiv 2305.05065, section 3.1). With latent ``z = E(x)``, codes by nearest neighbour
on residuals as in residual k-means, ``z'`` the sum of the chosen code vectors and ``x' = D(z')``, the loss is

    | x - x' |^2  +  sum_l ( | sg(r_l) - e_l |^2  +  beta | r_l - sg(e_l) |^2 )

where ``sg`` stops the gradient and the gradient of ``x'`` skips the choice of codes (straight through). Codebooks
start from k-means; codes that no item used for a while move onto the items described worst. Training is in
:mod:`recsys_core.sids.rq_vae_training`; encoding needs NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys_core.sids.codebooks import code_means, decoded, residual_candidates, residual_codes
from recsys_core.sids.kmeans import reseed_dead
from recsys_core.sids.shape import CodebookShape, checked_vectors, fitting_vectors

Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Weight ``float32[out, in]`` and bias ``float32[out]`` of each linear map; ReLU between them."""


class RQVAEConfig(CodebookShape):
    """Shape and training."""

    latent: int = Field(default=32, ge=1, le=1024)
    """Width of the codebooks."""
    hidden: tuple[int, ...] = (256, 128)
    """Widths of the encoder's hidden layers; the decoder has them in reverse."""
    epochs: int = Field(default=100, ge=1, le=20_000)
    """Passes over the items."""
    batch: int = Field(default=512, ge=1)
    """Items a step."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Of Adam."""
    commitment: float = Field(default=0.25, ge=0)
    """Weight ``beta`` of the term that keeps the latent near its codes."""
    reset_epochs: int = Field(default=5, ge=1)
    """A code that no item used for this many epochs moves."""


class RQVAE:
    """Codes of a learned latent; see :class:`~recsys_core.sids.protocol.Quantizer`.

    Attributes ``codebooks`` (in the space of the vectors) are the means of what is left of each code's items; the
    code vectors of the latent are in ``latent_codebooks``, and :meth:`reconstruct` is the decoder.

    Args:
        config: shape and training.
    """

    name = "rq_vae"
    keeps_own_paths = True
    terminal = False

    def __init__(self, config: RQVAEConfig | None = None) -> None:
        self.config = config or RQVAEConfig()
        self.codebooks: list[NDArray[np.float32]] = []
        """Per level ``float32[codes, d]``, filled by :meth:`fit`."""
        self.latent_codebooks: list[NDArray[np.float32]] = []
        """Per level ``float32[codes, latent]``, filled by :meth:`fit`."""
        self.encoder: Layers = []
        self.decoder: Layers = []
        self.scale = np.float32(1.0)
        """Vectors are multiplied by this, so that learning doesn't depend on their length."""

    @property
    def levels(self) -> int:
        """Codes a path."""
        return self.config.levels

    @property
    def code_sizes(self) -> list[int]:
        """Codes of each level; empty before :meth:`fit`."""
        return [len(book) for book in self.codebooks]

    def fit(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Learn everything from ``float32[n, d]`` and return the codes of these vectors, ``int32[n, levels]``.

        Raises:
            BuildError: no vectors, NaN or infinite values, all vectors equal, or fewer items than codes.
        """
        table = checked_vectors(vectors)
        codes = self.config.resolve_codes(table)
        from recsys_core.sids.rq_vae_training import train_rq_vae

        spread = float(np.sqrt(np.square(table).mean(dtype=np.float64)))
        self.scale = np.float32(1.0 / spread if spread > 0 else 1.0)
        self.encoder, self.decoder, books = train_rq_vae(table * self.scale, codes, self.config)
        # the last steps may have left codes without items
        residual = self._latent(table)
        self.latent_codebooks = []
        for book in books:
            revived, column = reseed_dead(residual, book)
            self.latent_codebooks.append(revived)
            residual -= revived[column]
        paths = residual_codes(self._latent(table), self.latent_codebooks)
        self.codebooks = code_means(table, paths, [codes] * self.config.levels)
        return paths

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """Codes of ``float32[n, d]``: ``int32[n, levels]``.

        Raises:
            BuildError: called before :meth:`fit`, NaN or infinite values, or another width than that learned from.
        """
        return residual_codes(self._latent(fitting_vectors(vectors, self.codebooks)), self.latent_codebooks)

    def candidates(self, vectors: NDArray[np.float32], count: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """See :func:`~recsys_core.sids.codebooks.residual_candidates`; distances are those of the latent."""
        latent = self._latent(fitting_vectors(vectors, self.codebooks))
        return residual_candidates(latent, self.latent_codebooks, count)

    def reconstruct(self, codes: NDArray[np.int32]) -> NDArray[np.float32]:
        """What the decoder makes of codes ``int[n, levels]``: ``float32[n, d]``."""
        return _forward(decoded(codes, self.latent_codebooks), self.decoder) / self.scale

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What :meth:`from_arrays` needs."""
        kept: dict[str, NDArray[Any]] = {"scale": np.array(self.scale, dtype=np.float32)}
        for level, (book, latent) in enumerate(zip(self.codebooks, self.latent_codebooks, strict=True)):
            kept |= {f"level_{level}": book, f"latent_{level}": latent}
        for part, layers in (("encoder", self.encoder), ("decoder", self.decoder)):
            for number, (weight, bias) in enumerate(layers):
                kept |= {f"{part}_{number}_weight": weight, f"{part}_{number}_bias": bias}
        return kept

    @classmethod
    def from_arrays(cls, config: RQVAEConfig, arrays: Mapping[str, NDArray[Any]]) -> RQVAE:
        """The quantizer that gave these :meth:`arrays`.

        Raises:
            KeyError: an array is missing.
        """

        def layers(part: str) -> Layers:
            steps = range(len(config.hidden) + 1)
            return [(arrays[f"{part}_{number}_weight"], arrays[f"{part}_{number}_bias"]) for number in steps]

        quantizer = cls(config)
        quantizer.scale = np.float32(arrays["scale"])
        quantizer.codebooks = [arrays[f"level_{level}"] for level in range(config.levels)]
        quantizer.latent_codebooks = [arrays[f"latent_{level}"] for level in range(config.levels)]
        quantizer.encoder, quantizer.decoder = layers("encoder"), layers("decoder")
        return quantizer

    def _latent(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return _forward(vectors * self.scale, self.encoder)


def _forward(table: NDArray[np.float32], layers: Layers) -> NDArray[np.float32]:
    for number, (weight, bias) in enumerate(layers):
        table = table @ weight.T + bias
        if number < len(layers) - 1:
            table = np.maximum(table, 0.0)
    return np.ascontiguousarray(table, dtype=np.float32)
