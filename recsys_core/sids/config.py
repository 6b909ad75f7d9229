"""Which quantizer and which layout a build uses, by name."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recsys_core.sids.balanced_kmeans import BalancedKMeans, BalancedKMeansConfig
from recsys_core.sids.capsid import CapsID, CapsIDConfig
from recsys_core.sids.protocol import Quantizer
from recsys_core.sids.published import PublishedCodes, PublishedCodesConfig
from recsys_core.sids.quality import SidThresholds
from recsys_core.sids.residual_kmeans import ResidualKMeans, ResidualKMeansConfig
from recsys_core.sids.rq_vae import RQVAE, RQVAEConfig
from recsys_core.sids.shape import CodebookShape

QuantizerName = Literal["residual_kmeans", "balanced_kmeans", "rq_vae", "capsid"]
"""Quantizers that learn from vectors."""

QUANTIZERS: dict[str, tuple[type[Quantizer], type[BaseModel]]] = {
    ResidualKMeans.name: (ResidualKMeans, ResidualKMeansConfig),
    BalancedKMeans.name: (BalancedKMeans, BalancedKMeansConfig),
    RQVAE.name: (RQVAE, RQVAEConfig),
    CapsID.name: (CapsID, CapsIDConfig),
    PublishedCodes.name: (PublishedCodes, PublishedCodesConfig),
}
"""Class and settings of every quantizer by name, for saved files."""

THRESHOLDS = {
    "residual_kmeans": SidThresholds(),
    "balanced_kmeans": SidThresholds(),
    "rq_vae": SidThresholds(min_utilisation=0.5),
    "capsid": SidThresholds(min_utilisation=0.25),
}
"""Where the quality check stops the build, unless set; codes learned by gradient fall out of use more."""


def _thresholds(data: dict[str, Any]) -> SidThresholds:
    # a quantizer that was refused isn't in the data, and its error is the one to show
    return THRESHOLDS.get(data.get("quantizer", ""), SidThresholds())


class SidConfig(BaseModel):
    """Which semantic IDs a build makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Literal["hybrid", "pure"] = "hybrid"
    """Short prefix and item token, or codes only."""
    quantizer: QuantizerName = "residual_kmeans"
    """How vectors become codes."""
    codes: ResidualKMeansConfig | None = None
    """Settings of ``residual_kmeans``; left out, the layout's own shape."""
    balanced: BalancedKMeansConfig | None = None
    """Settings of ``balanced_kmeans``; left out, the layout's own shape."""
    rq_vae: RQVAEConfig | None = None
    """Settings of ``rq_vae``; left out, the layout's own shape."""
    capsid: CapsIDConfig | None = None
    """Settings of ``capsid``; left out, the layout's own shape, but up to six levels in the pure layout."""
    thresholds: SidThresholds = Field(default_factory=_thresholds)
    """Where the quality check stops the build; left out, those of the quantizer."""

    @model_validator(mode="after")
    def _settings_are_used(self) -> Self:
        settings = {
            "codes": "residual_kmeans",
            "balanced": "balanced_kmeans",
            "rq_vae": "rq_vae",
            "capsid": "capsid",
        }
        for name, quantizer in settings.items():
            if getattr(self, name) is not None and quantizer != self.quantizer:
                raise ValueError(
                    f"`sids.{name}` is set, but `sids.quantizer` is {self.quantizer!r}: "
                    f"set it to {quantizer!r} or leave `sids.{name}` out"
                )
        return self


def make_quantizer(config: SidConfig, shape: CodebookShape) -> Quantizer:
    """The quantizer that a configuration names, not yet fitted.

    Args:
        config: names it.
        shape: levels and items a code where the configuration has no settings of the quantizer.
    """
    own = shape.model_dump()
    if config.quantizer == "balanced_kmeans":
        return BalancedKMeans(config.balanced or BalancedKMeansConfig(**own))
    if config.quantizer == "rq_vae":
        return RQVAE(config.rq_vae or RQVAEConfig(**own))
    if config.quantizer == "capsid":
        if shape.levels > 1:  # paths end by themselves
            del own["levels"]
        return CapsID(config.capsid or CapsIDConfig(**own))
    return ResidualKMeans(config.codes or ResidualKMeansConfig(**own))
