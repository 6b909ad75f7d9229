"""A system of known quality and cost, which can be told to fail."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from recsys_core.tuning.measurement import Measurement
from recsys_core.tuning.space import Knob, Rule, Space


def _within(config):
    return config["depth"] <= config["width"]


def _mend(config):
    config["depth"] = min(config["depth"], config["width"])


KNOBS = (
    Knob("width", (2, 4, 8, 16, 32)),
    Knob("depth", (2, 4, 8, 16, 32)),
    Knob("care", (1, 2, 3, 4, 5)),
    Knob("idle", (0, 1, 2)),
    Knob("engine", ("plain", "graph"), "reload", ordered=False),
    Knob("edges", (4, 8, 16), "rebuild", when=("engine", "graph")),
    Knob("trouble", ("none", "crash", "hang", "memory", "error"), ordered=False),
)
REFERENCE = {"width": 16, "depth": 16, "care": 4, "idle": 0, "engine": "plain", "edges": 8, "trouble": "none"}
RULES = (Rule("depth is at most width", _within, _mend),)


class Toy:
    def __init__(self, trouble=False, queries=400, good=1.0):
        knobs = KNOBS if trouble else KNOBS[:-1]
        self.space = Space(knobs, {k.name: REFERENCE[k.name] for k in knobs}, RULES)
        self.queries, self.good, self.calls = queries, good, 0
        self._built = {8}

    def fingerprint(self):
        return f"toy-{len(self.space.knobs)}-{self.queries}-{self.good}"

    def paired(self, config, blocks):
        return None

    def measure(self, config, split):
        self.calls += 1
        _trouble(config.get("trouble", "none"))
        rng = np.random.default_rng({"tune": 1, "validate": 2, "test": 3}[split])
        base = rng.random(self.queries)
        hard = rng.random(self.queries)
        loss = 0.3 / config["width"] + 0.2 / config["depth"] + 0.02 * (5 - config["care"])
        loss += 0.05 * (config["engine"] == "graph" and config["edges"] == 4)
        quality = self.good * np.clip(base - loss * hard, 0, 1)
        cost = 1.0 + 0.3 * config["width"] + 0.1 * config["depth"] + 0.8 * config["care"]
        cost *= 0.7 if config["engine"] == "graph" else 1.0
        rebuilt = config["engine"] == "graph" and config["edges"] not in self._built
        self._built.add(config["edges"])
        return Measurement(
            quality={"all": quality.tolist()},
            work={"steps": cost},
            stage_us={"all": cost},
            cost_us=cost,
            latency_ms=1.0,
            answers=str(round(float(loss), 9)),
            rebuilt=rebuilt,
        )


def _trouble(kind):
    if kind == "crash":
        os._exit(9)
    if kind == "hang":
        time.sleep(60)
    if kind == "memory":
        _held = np.ones(2**27)  # 1 GiB, written
        time.sleep(60)
    if kind == "error":
        raise ValueError("as told")


@dataclass(frozen=True)
class ToySource:
    trouble: bool = True

    def open(self):
        return Toy(self.trouble)
