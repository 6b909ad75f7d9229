"""Ranking quality of a release on the interactions it was built from: leave-last-out by time, full ranking.

Each user's last interaction is the target, everything before it the history. All models answer the same requests, all
items are candidates, items of the history are masked. The protocol is written down in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from eval.figures import Progress, Report, make_context
from eval.instruction_match import InstructionMatch, instruction_match
from eval.served import Served, served_lists
from recsys_core.catalog.splits import Split, leakage_check, leave_last_out
from recsys_core.errors import ConfigError, ReleaseError
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.metrics import (
    Interval,
    bootstrap_exposure,
    bootstrap_mean,
    bootstrap_paired,
    coverage,
    exposure,
    gini,
    intra_list_diversity,
    ndcg_at,
    novelty,
    recall_at,
    reciprocal_rank_at,
    self_information,
    target_ranks,
)

MODELS = ("sidra", "generator", "item_cf", "popularity")
"""What a release can rank with; the first is what is served."""

BESIDE = {"sidra_lm": "sidra", "lm": "generator"}
"""Further rows of a release with a language model, and which model of a recommender that generates with it each is."""

WITH_LM = ("sidra", "sidra_lm", "generator", "lm", "item_cf", "popularity")
"""All rows of such a release; ``sidra`` and ``generator`` are those of the compact generator."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class ModelResult(BaseModel):
    """Everything measured of one model."""

    model_config = ConfigDict(extra="forbid")

    measures: dict[str, Interval]
    """Measure name (``recall@10`` ...) -> value and interval."""
    places: list[int]
    """How many targets stood at place 1, 2, ..."""
    misses: int
    """How many targets were not in the list."""
    exposure: list[tuple[float, float]]
    """Lorenz curve: share of the least shown items -> share of all places they take."""
    ms_per_request: float
    """Wall-clock milliseconds a request, in batches."""
    notes: dict[str, int]
    """How often each note was given with an answer."""


class OfflineDetail(BaseModel):
    """What the figures of ``sidra eval offline`` are made of."""

    model_config = ConfigDict(extra="forbid")

    users: int
    """Users evaluated."""
    items: int
    """Candidates, before a user's history is masked."""
    noun: str
    """What the items are called."""
    split: str
    """Which held-out item was the target."""
    k: list[int]
    """Cut-offs."""
    beam: int
    """Beam of every request."""
    seen_targets: int
    """Users whose target is in their own history too: masked, hence a sure miss for every model."""
    models: dict[str, ModelResult]
    """By model, in the order asked for."""
    differences: dict[str, Interval]
    """Paired differences, ``recall@10.sidra-item_cf`` ..."""
    instruction: InstructionMatch | None
    """Whether words change the list of the first model; None when it was not measured."""
    instructions: dict[str, InstructionMatch] = Field(default_factory=dict)
    """The same for the other rows that read words, in a release with a language model."""


class OfflineReport(Report):
    """Report of an offline evaluation; ``detail`` holds an :class:`OfflineDetail`."""

    @property
    def offline(self) -> OfflineDetail:
        """The detail, typed."""
        return OfflineDetail.model_validate(self.detail)


def evaluate_offline(
    recommender: Any,
    models: Sequence[str] | None = None,
    *,
    language_model: Any = None,
    k: Sequence[int] = (5, 10),
    seed: int = 0,
    users: int | None = None,
    split: Literal["test", "validation"] = "test",
    beam: int = 20,
    batch: int = 64,
    resamples: int = 2_000,
    instruction_pairs: int = 200,
    field: str | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> OfflineReport:
    """Evaluate the models of a release.

    Args:
        recommender: an open :class:`recsys_core.serving.recommender.Recommender`.
        models: which rows, at least one; all that there are when None.
        language_model: the same release opened with the generator ``lm``, for the rows of :data:`BESIDE`.
        k: cut-offs; lists are as long as the largest.
        seed: seed of the user sample, the bootstrap and the instruction pairs.
        users: evaluate a random sample of so many users; all when None.
        split: ``test`` for figures to be quoted; ``validation`` while choosing settings.
        beam: beam of every request.
        batch: requests a call.
        resamples: bootstrap resamples.
        instruction_pairs: (user, value) pairs of the instruction measure; 0 leaves it out.
        field: tags field of the instruction measure; the catalogue's first when None.
        command: command line for the context; the running process's when None.
        progress: told how far the work is.

    Raises:
        ConfigError: no model, no cut-off or no user to evaluate; a row of a language model that isn't there.
        ReleaseError: the release's models were not kept from the held-out items, or nothing says so.
        DataError: the split leaks.
    """
    if models is None:
        models = MODELS if language_model is None else WITH_LM
    if language_model is None and (absent := [m for m in models if m in BESIDE]):
        raise ConfigError(f"{absent[0]!r} needs a release with a language model; run `sidra build --with-lm`")
    if not models or not k or min(k) < 1:
        raise ConfigError("name at least one model and cut-offs of at least 1")
    parts = leave_last_out(recommender.log)
    leakage_check(parts)
    check_held_out(recommender.release, parts, len(recommender.catalogue))
    chosen = sample_users(parts.users, users, seed)
    if not len(chosen):
        raise ConfigError("no user has the three interactions that leave-last-out needs; import a longer log")
    history = parts.test_history if split == "test" else parts.validation_history
    sequences = [history(int(u)) for u in chosen]
    held_out = parts.test_items if split == "test" else parts.validation_items
    targets = held_out[np.searchsorted(parts.users, chosen)]
    catalogue = recommender.catalogue
    ids = catalogue.ids
    histories = {int(u): [ids[i] for i in s] for u, s in zip(chosen, sequences, strict=True)}
    requests = [GenerateRequest(history=histories[int(u)], k=max(k), beam=beam) for u in chosen]

    measure = _Measure(parts, recommender, targets, tuple(k), seed, resamples)
    results: dict[str, ModelResult] = {}
    per_user: dict[str, dict[str, FloatArray]] = {}

    def source(row: str) -> tuple[Any, str]:
        return (language_model, BESIDE[row]) if row in BESIDE else (recommender, row)

    for row in models:
        asked, model = source(row)
        served = served_lists(asked, requests, model, k=max(k), batch=batch, progress=progress, stage=row)
        results[row], per_user[row] = measure(served)

    def match(row: str) -> InstructionMatch:
        asked, model = source(row)
        return instruction_match(
            asked,
            histories,
            pairs=instruction_pairs,
            k=10,
            beam=beam,
            field=field,
            model=model,
            seed=seed,
            progress=progress,
        )

    others = [row for row in models[1:] if row == "generator" or row in BESIDE]
    detail = OfflineDetail(
        users=len(chosen),
        items=len(catalogue),
        noun=catalogue.item_noun,
        split=split,
        k=list(k),
        beam=beam,
        seen_targets=sum(int(t) in set(s.tolist()) for t, s in zip(targets, sequences, strict=True)),
        models=results,
        differences=paired_differences(per_user, seed, resamples),
        instruction=match(models[0]) if instruction_pairs else None,
        instructions={row: match(row) for row in others} if instruction_pairs and language_model is not None else {},
    )
    return OfflineReport(
        figures=flat_figures(detail),
        context=make_context(seed=seed, release=recommender.release.id, command=command),
        detail=detail.model_dump(mode="json"),
    )


def sample_users(users: IntArray, count: int | None, seed: int) -> IntArray:
    """A seeded sample of ``count`` users in ascending order; all of them when there are no more."""
    if count is None or count >= len(users):
        return users
    if count < 1:
        raise ConfigError(f"the number of users must be at least 1, not {count}")
    return np.sort(np.random.default_rng(seed).choice(users, size=count, replace=False))


def paired_differences(per_user: dict[str, dict[str, FloatArray]], seed: int, resamples: int) -> dict[str, Interval]:
    """First model minus each other one, for every per-user accuracy measure, same users resampled together."""
    first, *others = per_user
    return {
        f"{name}.{first}-{other}": bootstrap_paired(values, per_user[other][name], seed=seed, resamples=resamples)
        for other in others
        for name, values in per_user[first].items()
        if name.startswith(("recall", "ndcg", "mrr"))
    }


def flat_figures(detail: OfflineDetail) -> dict[str, float]:
    """``measure.MODEL`` with ``.lo`` and ``.hi``, differences, the instruction measure."""
    figures: dict[str, float] = {}
    named = {f"{m}.{name}": i for name, result in detail.models.items() for m, i in result.measures.items()}
    for name, interval in {**named, **detail.differences}.items():
        if not np.isnan(interval.value):
            figures |= {name: interval.value, f"{name}.lo": interval.low, f"{name}.hi": interval.high}
    if detail.instruction is not None:
        figures |= detail.instruction.figures()
    for row, found in detail.instructions.items():
        name, value = f"instruction_match.{row}", found.match
        figures |= {name: value.value, f"{name}.lo": value.low, f"{name}.hi": value.high}
    return figures | {"users": detail.users, "items": detail.items}


class _Measure:
    """Turns served lists into measures; holds what is the same for all models."""

    def __init__(
        self, parts: Split, recommender: Any, targets: IntArray, k: tuple[int, ...], seed: int, resamples: int
    ) -> None:
        self.n_items = len(recommender.catalogue)
        self.targets = targets
        self.k = k
        self.seed = seed
        self.resamples = resamples
        self.information = self_information(np.bincount(parts.train_items, minlength=self.n_items))
        self.vectors = np.load(recommender.release.text_vectors, mmap_mode="r")

    def __call__(self, served: Served) -> tuple[ModelResult, dict[str, FloatArray]]:
        ranks = target_ranks(served.lists, self.targets)
        longest = max(self.k)
        users: dict[str, FloatArray] = {}
        for cut in self.k:
            users |= {f"recall@{cut}": recall_at(ranks, cut), f"ndcg@{cut}": ndcg_at(ranks, cut)}
        users["mrr"] = reciprocal_rank_at(ranks, longest)
        users["novelty"] = novelty(served.lists, self.information)
        users["diversity"] = intra_list_diversity(served.lists, np.asarray(self.vectors))
        measures = {name: bootstrap_mean(v, seed=self.seed, resamples=self.resamples) for name, v in users.items()}
        whole: dict[str, Callable[..., FloatArray]] = {"coverage": coverage, "gini": gini}
        for name, statistic in whole.items():
            measures[name] = bootstrap_exposure(
                served.lists, self.n_items, statistic, seed=self.seed, resamples=self.resamples
            )
        places = np.bincount(ranks, minlength=longest + 1)
        result = ModelResult(
            measures=measures,
            places=places[1 : longest + 1].tolist(),
            misses=int(places[0]),
            exposure=lorenz(exposure(served.lists, self.n_items)),
            ms_per_request=1_000 * served.seconds / len(ranks),
            notes=served.notes,
        )
        return result, users


def lorenz(counts: IntArray, points: int = 101) -> list[tuple[float, float]]:
    """Lorenz curve of exposure at evenly spaced shares of the catalogue, least shown items first."""
    ordered = np.sort(counts).astype(np.float64)
    taken = np.concatenate([[0.0], np.cumsum(ordered)])
    shares = np.linspace(0.0, 1.0, points)
    heights = np.interp(shares * len(counts), np.arange(len(taken)), taken / max(taken[-1], 1.0))
    return [(round(float(x), 4), round(float(y), 5)) for x, y in zip(shares, heights, strict=True)]


def check_held_out(release: Any, parts: Split, n_items: int) -> None:
    """Refuse a release whose models may have seen the held-out items.

    Two things must hold: the build recorded the split, and the popularity it learned is that of the training part,
    to the last count.

    Raises:
        ReleaseError: the record is missing or says otherwise, or the counts differ.
    """
    split = release.manifest.config.get("split")
    if split != "leave_last_out":
        raise ReleaseError(
            f"release {release.id} doesn't record that its models were trained without each user's last two items "
            f"(split is {split!r}), so its figures would mean nothing; run `sidra build` again"
        )
    learned = np.load(release.popularity)
    if not np.array_equal(learned, np.bincount(parts.train_items, minlength=n_items)):
        raise ReleaseError(
            f"release {release.id} learned a popularity that isn't that of its log without each user's last two items, "
            "so its models may have seen what they would be tested on; run `sidra build` again"
        )
