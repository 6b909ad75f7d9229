"""The knobs of a release's served path, and what a configuration of them means as a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys_core.serving.graph import Graph
from recsys_core.serving.plan import DEFAULT_BEAM, ServingPlan
from recsys_core.serving.vector_store import HNSW
from recsys_core.tuning.space import Config, Knob, Rule, Space
from recsys_core.tuning.workload import K

WITH_GRAPH = ("engine", "chroma")


def release_space(levels: int, window: int, pool: int, neighbours: int, engine: str = "exact") -> Space:
    """What may be changed of a release.

    Args:
        levels: length of its semantic IDs; with two there is one level of prefixes, and a beam can't grow.
        window: newest history items that its generator reads.
        pool: candidates that it takes as built.
        neighbours: of each item in item-CF as built.
        engine: of the item search as it is served now.
    """
    knobs = [
        Knob("history", _upto((5, 10, 15, 20, 30, 50), window), meaning="newest history items that are read"),
        Knob("beam", (4, 6, 8, 12, 16, 20, 32, 48), meaning="prefixes that the search keeps at the last level"),
        Knob("candidates", _upto((20, 50, 100, 200, 400), pool), meaning="items taken from the search"),
        Knob("power_shift", (-1.0, -0.5, 0.0, 0.5, 1.0), meaning="sharpness of the generator's fusion"),
        Knob("partner_shift", (-0.3, -0.2, -0.1, 0.0, 0.05), meaning="weight of item-CF against the generator"),
        Knob("item_head_scale", (0.0, 0.5, 1.0), meaning="share of the item head; 0 doesn't compute it"),
        Knob("cf_neighbours", _upto((25, 50, 100, 200), neighbours), "reload", meaning="neighbours item-CF reads"),
        Knob("diversity", (0.0, 0.1, 0.2, 0.3), meaning="weight of variety in the reranking"),
        Knob("depth", (10, 20, 50, 100), meaning="best items that are reranked for variety"),
        Knob("batch", (1, 4, 8, 16, 32, 64), "reload", meaning="requests answered together"),
        Knob("engine", ("exact", "chroma"), "reload", ordered=False, meaning="index behind the item search"),
        Knob("max_neighbors", (4, 8, 16, 32), "rebuild", when=WITH_GRAPH, meaning="edges of a node of the graph"),
        Knob("ef_construction", (50, 100, 200, 400), "rebuild", when=WITH_GRAPH, meaning="care taken in building it"),
        Knob("ef_search", (16, 32, 64, 128, 256, 512), "reload", when=WITH_GRAPH, meaning="care taken in searching it"),
        Knob("over_fetch", (1.0, 2.0, 4.0), when=WITH_GRAPH, meaning="hits asked of the graph for one that is wanted"),
    ]
    if levels > 2:
        knobs.insert(2, Knob("growth", (1.0, 2.0, 4.0), meaning="how much narrower the beam is a level earlier"))
    reference: Config = {
        "history": window,
        "beam": DEFAULT_BEAM,
        "candidates": pool,
        "power_shift": 0.0,
        "partner_shift": 0.0,
        "item_head_scale": 1.0,
        "cf_neighbours": neighbours,
        "diversity": 0.0,
        "depth": K,
        "batch": 32,
        "engine": engine,
        "max_neighbors": HNSW_DEFAULT.max_neighbors,
        "ef_construction": HNSW_DEFAULT.ef_construction,
        "ef_search": HNSW_DEFAULT.ef_search,
        "over_fetch": 1.0,
    }
    if levels > 2:
        reference["growth"] = 1.0
    return Space(tuple(knobs), {k.name: reference[k.name] for k in knobs}, RULES)


HNSW_DEFAULT = Graph.model_validate({name: value for name, value in HNSW.items() if name != "space"})
"""What a build makes."""


def _upto(values: tuple[int, ...], most: int) -> tuple[int, ...]:
    return tuple(sorted({*(value for value in values if value < most), most}))


def _shallow(config: Mapping[str, Any]) -> bool:
    return bool(config["depth"] <= config["candidates"])


def _make_shallow(config: dict[str, Any]) -> None:
    config["depth"] = max(v for v in (10, 20, 50, 100) if v <= max(10, config["candidates"]))


def _fetched(config: Mapping[str, Any]) -> bool:
    return config["engine"] != "chroma" or bool(K * config["over_fetch"] <= config["ef_search"])


def _fetch_more(config: dict[str, Any]) -> None:
    config["over_fetch"] = max(v for v in (1.0, 2.0, 4.0) if v == 1.0 or K * v <= config["ef_search"])


RULES = (
    Rule("depth is at most candidates: what isn't found can't be reranked", _shallow, _make_shallow),
    Rule(f"{K} hits times over_fetch is at most ef_search: a search keeps no more", _fetched, _fetch_more),
)


def plan_of(space: Space, config: Config) -> ServingPlan:
    """The plan that a valid configuration means; what is as in the reference stays as the release has it."""
    changed = space.changes(config)
    plain: dict[str, Any] = {k: v for k, v in changed.items() if k in ServingPlan.model_fields}
    if "diversity" not in changed:
        plain.pop("depth", None)  # nothing is reranked
    else:
        plain["depth"] = config["depth"]
    if config["engine"] == "chroma":
        graph = {k: config[k] for k in Graph.model_fields}
        if any(space.reference[k] != v for k, v in graph.items()):
            plain["graph"] = graph
    return ServingPlan.model_validate(plain)
