"""New items for a trained model: rows that stand for them, and semantic IDs that lead to them; nothing is trained.

An item without interactions has no learned vector. Its content does: the projection of its text is the same learned
map as for every other item, and the learned part is borrowed from the items whose content is nearest. What the model
knew before stays as it was, byte for byte.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import nn
from torch.nn import functional

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.errors import DataError
from recsys_core.generator.cold_paths import (
    Codes,
    PathConfig,
    PathSource,
    Selection,
    content_paths,
    select_paths,
)
from recsys_core.generator.cold_share import settle_share
from recsys_core.generator.data import Ints
from recsys_core.generator.model import CompactModel

Floats = NDArray[np.float32]


class ColdConfig(BaseModel):
    """How items without interactions are taken in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    neighbours: PositiveInt = 10
    """How many items, the nearest by content, lend a new item their learned vectors."""
    sharpness: float = Field(default=30.0, ge=0)
    """Weights of the neighbours are softmax(sharpness * cosine); 0 counts them alike."""
    learned_share: float = Field(default=1.0, ge=0, le=1)
    """How much of the neighbours' learned vectors a new item gets; with 0 its content alone speaks for it."""
    select: bool = True
    """Let the generator choose among code paths; otherwise they are taken in the order of content."""
    share: float | None = Field(default=1.0, gt=0)
    """All new items together get at most this times their share of the catalogue in probability; None: whatever the
    model gives them."""
    share_contexts: PositiveInt = 128
    """Training histories that the share is measured on."""
    paths: PathConfig = Field(default_factory=PathConfig)
    """Code paths: how many are tried and registered, and what the generator needs to choose."""


@dataclass(frozen=True, eq=False)
class Extended:
    """A model and an index that know the new items.

    Attributes:
        model: with ``m`` more items.
        index: with at least one leaf for each of them.
        selection: what became of their paths.
        share: of all probability that they take on average; None when it wasn't asked for.
    """

    model: CompactModel
    index: ConstraintIndex
    selection: Selection
    share: float | None = None


def nearest_known(content: Floats, model: CompactModel, known: NDArray[np.bool_], count: int) -> tuple[Ints, Floats]:
    """The known items whose content is nearest.

    Args:
        content: float32[m, d_text] of new items, centred like the model's own.
        model: the trained model.
        known: bool[n_items], items that were in training histories.
        count: how many.

    Returns:
        int64[m, k] item indices, nearest first (ties by index), and cosines float32[m, k]; k is at most ``count``.
    """
    rows = np.flatnonzero(known)
    similarity = content @ model.text.numpy()[rows].T
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    return rows[order].astype(np.int64), np.take_along_axis(similarity, order, axis=1)


def extend_model(
    model: CompactModel,
    content: Floats,
    sids: NDArray[np.integer],
    config: ColdConfig | None = None,
    *,
    known: NDArray[np.bool_] | None = None,
) -> CompactModel:
    """A copy of a model with rows for new items; every weight that was there is the same, byte for byte.

    Args:
        model: trained.
        content: float32[m, d_text], centred with the training mean (:func:`centred_with`) and of length 1.
        sids: int[m, L], main semantic ID of each new item; at the hybrid layout's last level the item index.
        config: where learned vectors come from.
        known: bool[n_items], items that may lend theirs; all by default.

    Raises:
        DataError: shapes that don't fit the model, or content that isn't finite.
    """
    config = config or ColdConfig()
    old, width = model.text.shape
    if content.ndim != 2 or content.shape[1] != width or sids.shape != (len(content), model.levels):
        raise DataError(
            f"new items: content {list(content.shape)} and semantic IDs {list(sids.shape)} don't fit a generator of "
            f"{width} text dimensions and {model.levels} levels; encode them with the release's own encoder"
        )
    bad = ~np.isfinite(content).all(axis=1)
    if bad.any():
        raise DataError(f"new items: content of new item {int(np.flatnonzero(bad)[0])} holds NaN or infinite values")
    lenders, cosines = nearest_known(
        content, model, np.ones(old, dtype=bool) if known is None else known, config.neighbours
    )
    weight = np.exp(config.sharpness * (cosines - cosines[:, :1])) if cosines.size else cosines
    weight *= config.learned_share / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    extended = copy.deepcopy(model)
    for name in ("items", "wish_items"):
        table = _weight(getattr(model, name))
        setattr(extended, name, _grown(table, _lent(table, weight, lenders)))
    meant = _weight(model.meaning.items)
    extended.meaning.items = _grown(meant, _lent(meant, weight, lenders))
    sizes = _sizes(model, sids)
    for level, size in enumerate(sizes):
        for tables in (extended.codes, extended.wish_codes):
            codes = _weight(tables[level])
            # an unlearned code says nothing: a zero row has cosine 0 with every state
            tables[level] = _grown(codes, codes.new_zeros(size - len(codes), codes.shape[1]))
    extended.code_sizes = sizes
    extended.sids = torch.cat([model.sids, torch.from_numpy(np.asarray(sids, dtype=np.int64))])
    extended.text = torch.cat([model.text, torch.from_numpy(np.ascontiguousarray(content, dtype=np.float32))])
    _describe(extended, model, sizes)
    return extended.train(model.training)


def extend_index(index: ConstraintIndex, paths: Sequence[Codes], *, hybrid: bool) -> ConstraintIndex:
    """An index with further items; no leaf that was there changes its semantic ID.

    Args:
        index: of the items so far.
        paths: per new item int32[p, C], its code paths, the main one first; p is at least 1.
        hybrid: whether the last level is the item's own token; otherwise it counts the SIDs on the same codes, and a
            further path that would count beyond what any main one does is left out.
    """
    old = len(index)
    rows = index.leaf_sids()[index.item_leaves].tolist()
    owners = np.repeat(np.arange(old), np.diff(index.item_leaf_start)).tolist()
    used: dict[tuple[int, ...], int] = {}
    if not hybrid:
        for *codes, rank in rows:
            used[tuple(codes)] = max(used.get(tuple(codes), 0), rank + 1)
    # main ones first: they decide how many codes a level has, the others must do with those
    for item, own in enumerate(paths, start=old):
        codes = tuple(own[0].tolist())
        rows.append([*codes, item if hybrid else used.get(codes, 0)])
        owners.append(item)
        used[codes] = rows[-1][-1] + 1
    ranks = max(row[-1] for row in rows) + 1
    for item, own in enumerate(paths, start=old):
        for codes in dict.fromkeys(map(tuple, own[1:].tolist())):
            last = item if hybrid else used.get(codes, 0)
            if codes != tuple(own[0].tolist()) and last < ranks:
                rows.append([*codes, last])
                owners.append(item)
                used[codes] = last + 1
    return ConstraintIndex.build(np.array(rows, dtype=np.int32), items=np.array(owners, dtype=np.int32))


def add_items(
    model: CompactModel,
    index: ConstraintIndex,
    content: Floats,
    source: PathSource,
    vectors: Floats,
    histories: tuple[Ints, Ints],
    config: ColdConfig | None = None,
) -> Extended:
    """Take new items into a trained model and its index.

    Args:
        model: trained, in evaluation mode.
        index: of the same semantic IDs.
        content: float32[m, d_text], centred with the training mean.
        source: the quantizer behind the codes.
        vectors: float32[m, d], what the quantizer reads: the new items' content, or their fused vectors.
        histories: offsets int64[n_users + 1] and items int64[n] of the training histories.
        config: what to do.
    """
    config = config or ColdConfig()
    offsets, items = histories
    known = np.bincount(items, minlength=len(model.text)).astype(bool)
    if not known.any():
        known[:] = True
    paths = config.paths
    pool = content_paths(source, vectors, max(paths.candidates, paths.registered), model.code_sizes, model.levels - 1)
    if config.select:
        neighbours, _ = nearest_known(content, model, known, config.neighbours)
        selection = select_paths(model, pool, neighbours, offsets, items, config.paths)
    else:
        selection = Selection([own[: config.paths.registered] for own in pool], 0, 0, 0)
    grown = extend_index(index, selection.paths, hybrid=model.hybrid)
    extended = extend_model(model, content, grown.sids()[len(index) :], config, known=known)
    taken = None
    if config.share is not None and len(content):
        fair = len(content) / len(grown)
        taken = settle_share(
            extended,
            grown,
            offsets,
            items,
            first=len(index),
            share=min(1.0, config.share * fair),
            contexts=config.share_contexts,
        )
    return Extended(extended, grown, selection, taken)


def _describe(extended: CompactModel, model: CompactModel, sizes: tuple[int, ...]) -> None:
    """Rows of the content expert, in the directions that the model was trained with."""
    added = extended.text[len(model.text) :] @ model.get_buffer("basis")
    extended.content = torch.cat([model.content, functional.normalize(added, dim=-1)])
    # nobody has acted on them yet: as popular as the ordinary item, or nobody ever would
    extended.popularity = torch.cat([model.popularity, model.popularity.new_zeros(len(added))])
    extended.item_offset = torch.cat([model.item_offset, model.item_offset.new_zeros(len(added))])
    for name in ("code_content", "code_popularity"):
        table, grown, start = model.get_buffer(name), [], 0
        for size, old in zip(sizes, model.code_sizes, strict=True):
            grown += [table[start : start + old], table.new_zeros(size - old, *table.shape[1:])]
            start += old
        setattr(extended, name, torch.cat(grown))


def _sizes(model: CompactModel, sids: NDArray[np.integer]) -> tuple[int, ...]:
    highest = sids.max(axis=0, initial=-1) + 1
    return tuple(max(size, int(highest[level])) for level, size in enumerate(model.code_sizes))


def _lent(table: torch.Tensor, weight: Floats, lenders: Ints) -> torch.Tensor:
    return torch.einsum("mk,mkd->md", torch.from_numpy(weight), table[torch.from_numpy(lenders)])


def _weight(table: nn.Module) -> torch.Tensor:
    weight: torch.Tensor = table.get_parameter("weight").detach()
    return weight


def _grown(table: torch.Tensor, rows: torch.Tensor) -> nn.Embedding:
    return nn.Embedding(len(table) + len(rows), table.shape[1], _weight=torch.cat([table, rows]))
