"""Tiny language models as releases that a server can answer for."""

from __future__ import annotations

from functools import cache

import numpy as np

from recsys_core.constraints.index import ConstraintIndex
from recsys_core.generator.lm.generator import LmGenerator
from recsys_core.generator.vllm.family import VllmGenerator
from recsys_core.generator.vllm.pool import PoolConfig, ServerPool
from recsys_core.generator.vllm.served import ServedRelease
from tests.recsys_core.generator.lm.tiny import World, make_world
from tests.recsys_core.generator.vllm.fake_server import FakeServer

NAME = "20261122-tiny"
LAYOUTS = ("hybrid", "hybrid of two code levels", "pure", "several semantic IDs")


@cache
def world(layout: str) -> World:
    if layout == "hybrid of two code levels":
        return make_world(noise=0.3, levels=2)
    return make_world("pure" if layout == "pure" else "hybrid", noise=0.3)


@cache
def index_of(layout: str) -> ConstraintIndex:
    made = world(layout)
    if layout != "several semantic IDs":
        return made.index
    rng = np.random.default_rng(0)
    sids, items = made.sids.tolist(), list(range(len(made.sids)))
    for item in range(0, len(made.sids), 3):
        path = [int(rng.integers(made.vocabulary.layout.code_sizes[0])), item]
        if path not in sids:
            sids.append(path)
            items.append(item)
    return ConstraintIndex.build(sids, items=items)


@cache
def in_process(layout: str) -> LmGenerator:
    made = world(layout)
    return LmGenerator(made.model.fold(), made.vocabulary, index_of(layout))


@cache
def served(layout: str) -> ServedRelease:
    made = world(layout)
    return ServedRelease(NAME, made.vocabulary.layout, index_of(layout), made.catalogue)


def start_server(layout: str, port: int = 0) -> FakeServer:
    return FakeServer(served(layout), in_process(layout).engine.causal, port)


def never():
    raise AssertionError("fell back to the engine in process")


def client(layout: str, urls, config: PoolConfig | None = None, load=never, **kwargs) -> VllmGenerator:
    pool = ServerPool(urls, NAME, config or PoolConfig(timeout_s=20), **kwargs)
    return VllmGenerator(world(layout).vocabulary, index_of(layout), pool, load)
