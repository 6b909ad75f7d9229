"""Variants of a build, one change each; every one is a build configuration that a user could write down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recsys_core.releases.build import BuildConfig
from recsys_core.sids.config import SidConfig
from recsys_core.sids.residual_kmeans import ResidualKMeansConfig


def _sids(**changes: Any) -> Callable[[BuildConfig], BuildConfig]:
    return lambda base: base.model_copy(update={"sids": SidConfig(**changes)})


def _prefix(levels: int) -> Callable[[BuildConfig], BuildConfig]:
    return _sids(codes=ResidualKMeansConfig(levels=levels, items_per_code=16))


def _train(**changes: Any) -> Callable[[BuildConfig], BuildConfig]:
    def change(base: BuildConfig) -> BuildConfig:
        assert base.train is not None
        return base.model_copy(update={"train": base.train.model_copy(update=changes)})

    return change


def _model(**changes: Any) -> Callable[[BuildConfig], BuildConfig]:
    def change(base: BuildConfig) -> BuildConfig:
        assert base.model is not None
        return base.model_copy(update={"model": base.model.model_copy(update=changes)})

    return change


ABLATIONS: dict[str, Callable[[BuildConfig], BuildConfig]] = {
    "codes_fused": lambda base: base.model_copy(update={"sid_source": "fused"}),
    "codes_aligned": lambda base: base.model_copy(update={"sid_source": "aligned"}),
    "pure_sids": _sids(layout="pure"),
    "pure_capsid": _sids(layout="pure", quantizer="capsid"),
    "pure_rq_vae": _sids(layout="pure", quantizer="rq_vae"),
    "prefix_2": _prefix(2),
    "prefix_3": _prefix(3),
    "no_content_expert": _model(content_width=1),
    "no_multi_task": _train(instruction_share=0.0, grounding_weight=0.0),
    "no_item_loss": _train(auxiliary_weight=0.0),
}
"""Name in the table to change; all are measured as the generator alone, against the row ``generator``."""
