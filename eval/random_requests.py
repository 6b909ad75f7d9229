"""Random requests over whatever fields a catalogue has: users, tasks, instructions, filters, exclusions, beams."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.filters import Condition, ItemFilter
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.items import FieldKind
from recsys_core.generator.protocol import GenerateRequest, Task

WORDINGS = (
    "something {x} for tonight",
    "I feel like {x}",
    "please find me {x}",
    "{x}, but not what everybody knows",
    "what would you suggest to somebody who likes {x}?",
)
"""Sentences around a value of the catalogue."""

NONSENSE = (
    "",
    "🎬🍿",
    "אני רוצה משהו חדש",
    "asdf qwer",
    "1' OR 1=1 --",
    "<|im_start|>system",
    "\u200b\u200b",
    "…" * 300,
)
"""Texts that mean nothing; a valid list must come back all the same."""


def random_filter(catalogue: Catalogue, rng: np.random.Generator, *, conditions: int = 3, depth: int = 2) -> ItemFilter:
    """A rule of up to ``conditions`` random comparisons a group, nested up to ``depth``; often hard to satisfy.

    Args:
        catalogue: the items; needs at least one field.
        rng: source of randomness.
        conditions: most conditions a group.
        depth: how deep groups may be nested.
    """
    rules: list[Condition | ItemFilter] = []
    for _ in range(int(rng.integers(1, conditions + 1))):
        if depth > 1 and rng.random() < 0.2:
            rules.append(random_filter(catalogue, rng, conditions=2, depth=depth - 1))
        else:
            rules.append(random_condition(catalogue, rng))
    groups: dict[str, list[Condition | ItemFilter]] = {"all_of": [], "any_of": [], "none_of": []}
    for rule in rules:
        groups[str(rng.choice(["all_of", "all_of", "any_of", "none_of"]))].append(rule)
    return ItemFilter(all_of=groups["all_of"], any_of=groups["any_of"], none_of=groups["none_of"])


def simple_filter(catalogue: Catalogue, rng: np.random.Generator) -> ItemFilter:
    """One or two random conditions that must hold: what people set in practice."""
    rules = [random_condition(catalogue, rng) for _ in range(int(rng.integers(1, 3)))]
    return ItemFilter(all_of=list(rules))


def random_condition(catalogue: Catalogue, rng: np.random.Generator) -> Condition:
    """One random comparison that the field's kind allows, with values from the catalogue or just outside it."""
    names = list(catalogue.fields)
    spec = catalogue.fields[names[int(rng.integers(len(names)))]]
    if spec.kind is FieldKind.flag:
        return Condition(field=spec.name, op="eq", value=bool(rng.integers(2)))
    if spec.kind is FieldKind.number:
        return _number_condition(spec.name, spec.minimum or 0.0, spec.maximum or 0.0, rng)
    values = [*spec.values[:40], "no such value"]
    if rng.random() < 0.5:
        chosen = rng.choice(len(values), size=int(rng.integers(1, 5)))
        return Condition(field=spec.name, op="in", value=[values[i] for i in chosen])
    value = values[int(rng.integers(len(values)))]
    if rng.random() < 0.3:
        value = value.upper()
    return Condition(field=spec.name, op="contains" if spec.kind is FieldKind.tags else "eq", value=value)


def _number_condition(name: str, low: float, high: float, rng: np.random.Generator) -> Condition:
    ends = sorted(float(round(v)) for v in rng.uniform(low - 1, high + 1, size=2))
    kind = rng.random()
    if kind < 0.15:
        return Condition(field=name, op="eq", value=ends[0])
    if kind < 0.25:
        return Condition(field=name, op="in", value=list(ends))
    bounds: list[bool | int | float | str | None] = [*ends]
    if kind < 0.6:
        bounds[int(rng.integers(2))] = None
    return Condition(field=name, op="range", value=bounds)


def random_instruction(catalogue: Catalogue, rng: np.random.Generator) -> str:
    """A sentence around a random value of a random text field, now and then nonsense."""
    fields = [s for s in catalogue.fields.values() if s.values]
    if not fields or rng.random() < 0.2:
        return str(NONSENSE[int(rng.integers(len(NONSENSE)))])
    values = fields[int(rng.integers(len(fields)))].values
    return WORDINGS[int(rng.integers(len(WORDINGS)))].format(x=values[int(rng.integers(len(values)))])


def random_request(
    catalogue: Catalogue, log: InteractionLog, rng: np.random.Generator, *, instructions: Sequence[str] = ()
) -> GenerateRequest:
    """One request with everything random; impossible filters and empty histories included.

    Args:
        catalogue: the items.
        log: where histories come from.
        rng: source of randomness.
        instructions: drawn from half of the time when given, so that cached texts occur too.
    """
    ids = catalogue.ids

    def some(most: int) -> list[str]:
        return [ids[i] for i in rng.integers(len(ids), size=int(rng.integers(0, most + 1)))]

    history: list[str] = []
    if log.n_users and rng.random() < 0.9:
        history = [ids[i] for i in log.sequence(int(rng.integers(log.n_users)))]
    if instructions and rng.random() < 0.5:
        instruction = instructions[int(rng.integers(len(instructions)))]
    else:
        instruction = random_instruction(catalogue, rng)
    tasks = list(Task)
    return GenerateRequest(
        task=tasks[int(rng.integers(len(tasks)))],
        instruction=instruction,
        history=history,
        filter=random_filter(catalogue, rng) if catalogue.fields and rng.random() < 0.7 else None,
        exclude=some(20) if rng.random() < 0.4 else [],
        exclude_history=bool(rng.random() < 0.8),
        anchors=some(2) if rng.random() < 0.2 else [],
        avoid=some(3) if rng.random() < 0.2 else [],
        k=int(rng.choice([1, 5, 10, 20, 50])),
        beam=int(rng.choice([1, 2, 5, 10, 20, 50])),
    )
