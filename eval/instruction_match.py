"""Does the instruction matter? A value of a tags field (a genre) is named only in words, with no filter, and the share
of the list that carries it is counted; the same users without an instruction give the base rate.

The sentences are wordings that training never saw.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from eval.figures import Progress
from eval.served import Recommends, served_lists
from recsys_core.catalog.items import FieldKind
from recsys_core.errors import ConfigError
from recsys_core.generator.instructions import evaluation_wordings
from recsys_core.generator.protocol import GenerateRequest, Task
from recsys_core.metrics import Interval, bootstrap_mean


class ValueMatch(BaseModel):
    """One value's part in the measure."""

    model_config = ConfigDict(extra="forbid")

    value: str
    """The value that was named."""
    pairs: int
    """How many random users it was named to."""
    match: float
    """Mean share of their lists that carries it."""
    base: float
    """The same without an instruction."""
    catalogue: float
    """Share of the catalogue that carries it."""


class InstructionMatch(BaseModel):
    """The measure with its base rates."""

    model_config = ConfigDict(extra="forbid")

    field: str
    """Tags field whose values were named."""
    match: Interval
    """Share of the lists that carries the named value."""
    base: Interval
    """The same users and values, no instruction."""
    catalogue: float
    """Share of the catalogue that carries the value, mean over the pairs."""
    values: list[ValueMatch]
    """By value, most frequent in the catalogue first."""
    example: str
    """One of the sentences."""

    def figures(self) -> dict[str, float]:
        """The flat figures of this measure."""
        return {
            "instruction_match": self.match.value,
            "instruction_match.lo": self.match.low,
            "instruction_match.hi": self.match.high,
            "instruction_match_base": self.base.value,
            "instruction_match_base.lo": self.base.low,
            "instruction_match_base.hi": self.base.high,
            "instruction_match_catalogue": self.catalogue,
        }


def instruction_match(
    recommender: Recommends,
    histories: dict[int, list[str]],
    *,
    pairs: int = 200,
    k: int = 10,
    beam: int = 20,
    field: str | None = None,
    model: str = "sidra",
    seed: int = 0,
    progress: Progress | None = None,
) -> InstructionMatch:
    """Measure how far a value named in words is followed.

    Args:
        recommender: what is measured.
        histories: user -> item ids, newest last; users are drawn from them without repetition while they last.
        pairs: how many (user, value) pairs.
        k: list length; an item missing from a short list counts as not carrying the value.
        beam: beam of each request.
        field: tags field; the first one of the catalogue when omitted.
        model: which model answers.
        seed: draws users, values and sentences.
        progress: told after every batch.

    Raises:
        ConfigError: the field is no tags field, or no value of it is carried by at least 2k items.
    """
    catalogue = recommender.catalogue
    name = field or default_tags_field(catalogue.fields)
    if name not in catalogue.fields or catalogue.fields[name].kind is not FieldKind.tags:
        raise ConfigError(f"field '{name}' holds no tags; name a tags field of the catalogue")
    wordings: dict[str, tuple[list[str], NDArray[np.bool_]]] = {}
    for sentence, value, mask in evaluation_wordings(catalogue, name):
        # With fewer than 2k items a user who has seen some of them could not be given k even by a perfect model.
        if mask.sum() >= 2 * k:
            wordings.setdefault(value, ([], mask))[0].append(sentence)
    if not wordings or not histories:
        raise ConfigError(f"no value of field '{name}' is carried by at least {2 * k} items; measure another field")
    rng = np.random.default_rng(seed)
    values = list(wordings)
    users = rng.choice(np.array(list(histories)), size=pairs, replace=pairs > len(histories)).tolist()
    drawn = [values[i] for i in rng.integers(len(values), size=pairs)]
    sentences = [str(rng.choice(wordings[value][0])) for value in drawn]
    masks = np.stack([wordings[v][1] for v in drawn])

    def shares(asked: bool) -> NDArray[np.float64]:
        requests = [
            GenerateRequest(
                task=Task.category if asked else Task.for_you,
                instruction=sentence if asked else "",
                history=histories[user],
                k=k,
                beam=beam,
            )
            for user, sentence in zip(users, sentences, strict=True)
        ]
        stage = "instruction" if asked else "no instruction"
        lists = served_lists(recommender, requests, model, k=k, progress=progress, stage=stage).lists
        carried = np.take_along_axis(masks, np.maximum(lists, 0), axis=1) & (lists >= 0)
        return np.asarray(carried.sum(axis=1) / k, dtype=np.float64)

    match, base = shares(asked=True), shares(asked=False)
    return InstructionMatch(
        field=name,
        match=bootstrap_mean(match, seed=seed),
        base=bootstrap_mean(base, seed=seed),
        catalogue=float(masks.mean()),
        values=[
            _of_value(v, np.array([d == v for d in drawn]), match, base, wordings[v][1]) for v in values if v in drawn
        ],
        example=sentences[0],
    )


def default_tags_field(fields: dict[str, Any]) -> str:
    """The catalogue's first tags field.

    Raises:
        ConfigError: it has none.
    """
    for name, spec in fields.items():
        if spec.kind is FieldKind.tags:
            return name
    raise ConfigError("the catalogue has no tags field, so following an instruction can't be measured")


def _of_value(
    value: str,
    rows: NDArray[np.bool_],
    match: NDArray[np.float64],
    base: NDArray[np.float64],
    mask: NDArray[np.bool_],
) -> ValueMatch:
    return ValueMatch(
        value=value,
        pairs=int(rows.sum()),
        match=float(match[rows].mean()),
        base=float(base[rows].mean()),
        catalogue=float(mask.mean()),
    )
