"""A release's parts that score, read and held against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from recsys_core.baselines.item_cf import ItemCF
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.encoders.text import TextEncoder
from recsys_core.errors import ReleaseError
from recsys_core.generator.fits import WordFits
from recsys_core.generator.widths import BeamConfig
from recsys_core.ranking.mix import ServingConfig
from recsys_core.releases.added import release_content
from recsys_core.releases.release import Release
from recsys_core.serving.families import FamilySource, GeneratorName, Servers, open_family, serving_file
from recsys_core.serving.plan import ServingPlan, read_plan
from recsys_core.serving.scoring import Scorer


def open_scorer(
    release: Release,
    n_items: int,
    encoder: TextEncoder,
    generator: GeneratorName,
    beam: BeamConfig | None,
    servers: Servers | None,
    plan: ServingPlan | None = None,
) -> Scorer:
    """Everything of a release that scores.

    Args:
        release: its folder.
        n_items: how many items its catalogue has.
        encoder: sentence encoder.
        generator: which family generates.
        beam: widths by level and by load.
        servers: where ``vllm`` asks.
        plan: how it is served; the release's own plan when None.

    Raises:
        ReleaseError: a part is missing, damaged, or doesn't fit the others; the release has no such generator.
        ConfigError: no address of a server.
    """
    # first of all: a release that lacks the generator should say so at once
    serving = _read_serving(serving_file(generator, release))
    plan = read_plan(release, generator) if plan is None else plan
    index = ConstraintIndex.load(release.index)
    if len(index) != n_items:
        raise ReleaseError(
            f"{release.path}: the constraint index has {len(index)} items, the catalogue {n_items}; "
            "run `sidra build` again"
        )
    sids = read_vectors(release.sids, n_items)
    content = release_content(release, read_vectors(release.text_vectors, n_items))
    item_cf = ItemCF.load(release.item_cf)
    return Scorer(
        family=open_family(generator, FamilySource(release, index, sids, content, encoder.encode_texts, servers)),
        fits=WordFits.load(release.generator, content, encoder.encode_texts),
        item_cf=item_cf if plan.cf_neighbours is None else item_cf.narrowed(plan.cf_neighbours),
        popularity=read_vectors(release.popularity, n_items),
        item_vectors=read_vectors(release.item_vectors, n_items),
        sids=sids,
        serving=plan.mixes(serving),
        beam=plan.widths(beam),
        plan=plan,
    )


def read_vectors(path: Path, rows: int) -> NDArray[Any]:
    """An array of a release with one row an item.

    Raises:
        ReleaseError: it can't be read, or has another number of rows.
    """
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path} can't be read ({error}); run `sidra build` again") from error
    if len(array) != rows:
        raise ReleaseError(f"{path} has {len(array)} rows for {rows} items; run `sidra build` again")
    return array


def _read_serving(path: Path) -> ServingConfig:
    try:
        return ServingConfig.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise ReleaseError(f"{path} can't be read ({error}); run `sidra build` again") from error
