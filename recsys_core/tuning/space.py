"""What may be tuned: knobs with their values, rules between them, and what changing each of them takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys_core.durable import digest
from recsys_core.errors import ConfigError

Value: TypeAlias = int | float | str
Config: TypeAlias = dict[str, Value]
"""Knob name -> value; complete, with one value for every knob of its space."""

CostClass = Literal["live", "reload", "rebuild"]
"""What a change takes: nothing, opening something anew, or building it anew in a shadow copy."""

_TRIES = 2_000


@dataclass(frozen=True)
class Knob:
    """One setting.

    Attributes:
        name: of the setting.
        values: what it may be, in order where there is one.
        cost: what a change takes.
        ordered: whether neighbouring values are alike; names of kinds aren't.
        when: knob and value under which this one counts; elsewhere it has no effect and is kept at its reference.
        meaning: one sentence for people.
    """

    name: str
    values: tuple[Value, ...]
    cost: CostClass = "live"
    ordered: bool = True
    when: tuple[str, Value] | None = None
    meaning: str = ""


class Rule(NamedTuple):
    """What must hold between knobs: a sentence, and the test."""

    says: str
    holds: Callable[[Mapping[str, Any]], bool]
    repair: Callable[[dict[str, Any]], None] | None = None
    """Changes a configuration so that it holds, if there is an obvious way."""


@dataclass(frozen=True)
class Space:
    """Knobs and rules.

    Attributes:
        knobs: at least one.
        reference: the configuration that everything is held against; valid.
        rules: between knobs.

    Raises:
        ConfigError: no knob, a knob without values, or a reference outside the space.
    """

    knobs: tuple[Knob, ...]
    reference: Config
    rules: tuple[Rule, ...] = ()
    by_name: dict[str, Knob] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.knobs or any(not knob.values for knob in self.knobs):
            raise ConfigError("the search space is empty: name at least one knob, and leave each at least one value")
        object.__setattr__(self, "by_name", {knob.name: knob for knob in self.knobs})
        if wrong := self.problems(self.reference):
            raise ConfigError(f"the reference lies outside the search space: {'; '.join(wrong)}")

    @property
    def size(self) -> int:
        """Combinations of values, rules and conditions left aside."""
        return int(np.prod([float(len(knob.values)) for knob in self.knobs]))

    def problems(self, config: Mapping[str, Any]) -> list[str]:
        """What is wrong with a configuration, one sentence each; empty for a valid one."""
        known = ", ".join(self.by_name)
        wrong = [f"unknown knob {name!r}; there are {known}" for name in config if name not in self.by_name]
        for knob in self.knobs:
            if knob.name not in config:
                wrong.append(f"{knob.name} is missing")
            elif config[knob.name] not in knob.values:
                values = ", ".join(map(str, knob.values))
                wrong.append(f"{knob.name} {config[knob.name]!r} is none of {values}")
        return wrong or [rule.says for rule in self.rules if not rule.holds(config)]

    def completed(self, changes: Mapping[str, Any]) -> Config:
        """The reference with some changes, canonical.

        Raises:
            ConfigError: an unknown knob, a value that it doesn't have, or a rule that is broken.
        """
        config = {**self.reference, **changes}
        if wrong := self.problems(config):
            raise ConfigError("; ".join(wrong))
        return self.canonical(config)

    def canonical(self, config: Mapping[str, Any]) -> Config:
        """The same with knobs that don't count brought to their reference, in the order of the knobs."""
        return {k.name: config[k.name] if self.counts(k, config) else self.reference[k.name] for k in self.knobs}

    def counts(self, knob: Knob, config: Mapping[str, Any]) -> bool:
        """Whether a knob has a say in a configuration."""
        return knob.when is None or config[knob.when[0]] == knob.when[1]

    def key(self, config: Mapping[str, Any]) -> str:
        """Names a canonical configuration."""
        return digest(self.canonical(config))[:16]

    def changes(self, config: Mapping[str, Any]) -> Config:
        """What differs from the reference."""
        canonical = self.canonical(config)
        return {name: value for name, value in canonical.items() if value != self.reference[name]}

    def rebuild_key(self, config: Mapping[str, Any]) -> tuple[Value, ...]:
        """Values of the knobs that need a rebuild; two configurations with the same share what was built."""
        canonical = self.canonical(config)
        return tuple(canonical[k.name] for k in self.knobs if k.cost == "rebuild")

    def repaired(self, config: Mapping[str, Any]) -> Config:
        """A valid configuration near any that has a known value for every knob; the reference where there is none."""
        mended = dict(config)
        for rule in self.rules:
            if not rule.holds(mended) and rule.repair is not None:
                rule.repair(mended)
        return self.canonical(mended) if not self.problems(mended) else dict(self.reference)

    def sample(self, rng: np.random.Generator) -> Config:
        """A valid configuration, each value of each knob as likely.

        Raises:
            ConfigError: the rules leave next to nothing.
        """
        for _ in range(_TRIES):
            config = {knob.name: knob.values[int(rng.integers(len(knob.values)))] for knob in self.knobs}
            if not self.problems(config):
                return self.canonical(config)
        raise ConfigError(f"no valid configuration in {_TRIES} tries: loosen {'; '.join(r.says for r in self.rules)}")

    def neighbours(self, config: Config, rng: np.random.Generator, count: int, steps: int = 1) -> list[Config]:
        """Valid configurations a few changes away; an ordered knob mostly moves to the next value."""
        found = []
        for _ in range(count):
            moved = dict(config)
            free = [k for k in self.knobs if len(k.values) > 1 and self.counts(k, moved)]
            for knob in rng.choice(np.array(free, dtype=object), size=min(steps, len(free)), replace=False):
                moved[knob.name] = _moved(knob, moved[knob.name], rng)
            repaired = self.repaired(moved)
            if repaired != config:
                found.append(repaired)
        return found

    def encode(self, configs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """For surrogates: ordered knobs as places 0 to 1, others one-hot: float64[len(configs), d]."""
        return np.array([[value for knob in self.knobs for value in _encoded(knob, c)] for c in configs])

    def one_at_a_time(self) -> Iterator[Config]:
        """Every value of every knob, all others at the reference; invalid ones left out."""
        for knob in self.knobs:
            for value in knob.values:
                changed = {knob.name: value}
                if knob.when is not None:
                    changed[knob.when[0]] = knob.when[1]
                moved = self.repaired({**self.reference, **changed})
                if value != self.reference[knob.name] and moved[knob.name] == value:
                    yield moved

    def grid(self) -> Iterator[Config]:
        """Every valid configuration, each once."""
        seen = set()
        for values in product(*(knob.values for knob in self.knobs)):
            config = dict(zip(self.by_name, values, strict=True))
            if not self.problems(config) and (key := self.key(config)) not in seen:
                seen.add(key)
                yield self.canonical(config)

    def fixed(self, values: Mapping[str, Any]) -> Space:
        """The space with some knobs held, the reference among them.

        Raises:
            ConfigError: an unknown knob or a value that it doesn't have.
        """
        if wrong := [w for w in self.problems({**self.reference, **values}) if w not in {r.says for r in self.rules}]:
            raise ConfigError("; ".join(wrong))
        knobs = tuple(
            Knob(k.name, (values[k.name],), k.cost, k.ordered, k.when, k.meaning) if k.name in values else k
            for k in self.knobs
        )
        return Space(knobs, {**self.reference, **values}, self.rules)


def _moved(knob: Knob, value: Value, rng: np.random.Generator) -> Value:
    place = knob.values.index(value)
    if knob.ordered and rng.random() < 0.7:
        step = int(rng.choice([-1, 1]))
        return knob.values[min(len(knob.values) - 1, max(0, place + step))]
    return knob.values[int(rng.integers(len(knob.values)))]


def _encoded(knob: Knob, config: Mapping[str, Any]) -> list[float]:
    if len(knob.values) == 1:
        return []
    place = knob.values.index(config[knob.name])
    if knob.ordered:
        return [place / (len(knob.values) - 1)]
    return [float(n == place) for n in range(len(knob.values))]
