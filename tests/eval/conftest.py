"""A recommender whose answers are known beforehand, over the synthetic catalogue."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.generator.protocol import GenerateResult, ScoredItem


@dataclass
class Manifest:
    config: dict
    item_count: int = 0


@dataclass
class FakeRelease:
    id: str
    text_vectors: object
    popularity: object
    manifest: Manifest


@dataclass
class ScriptedRecommender:
    """Ranks by a score table a model; knows nothing but what it is given."""

    catalogue: object
    log: object
    release: FakeRelease
    scores: dict  # model -> callable(request) -> float64[n_items]
    mistakes: set = field(default_factory=set)

    def recommend(self, requests, model="sidra"):
        return [self._one(request, self.scores[model](request)) for request in requests]

    def _one(self, request, scores):
        allowed = np.ones(len(self.catalogue), bool)
        if request.filter is not None and "filter" not in self.mistakes:
            allowed &= request.filter.mask(self.catalogue)
        banned = [*request.exclude, *request.avoid, *(request.history if request.exclude_history else [])]
        if "exclude" not in self.mistakes:
            allowed[self.catalogue.indices(banned)] = False
        order = [i for i in np.argsort(-scores, kind="stable") if allowed[i]][: request.k]
        if "unique" in self.mistakes and order:
            order = [order[0]] * len(order)
        items = [
            ScoredItem(item_id=self.catalogue.ids[i], sid=[int(i)], log_probability=-1.0, score=float(scores[i]))
            for i in order
        ]
        return GenerateResult(items=items, allowed=int(allowed.sum()), exhausted=int(allowed.sum()) < request.k)


@pytest.fixture(scope="session")
def data():
    return synthetic(n_items=160, n_users=80, seed=3)


@pytest.fixture
def recommender(data, tmp_path):
    """`sidra` knows the answers of the even users, `popularity` counts, `item_cf` scores everything alike."""
    catalogue, log = data
    split = leave_last_out(log)
    vectors = np.random.default_rng(0).normal(size=(len(catalogue), 8)).astype(np.float32)
    path = tmp_path / "text_vectors.npy"
    np.save(path, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    counts = np.bincount(split.train_items, minlength=len(catalogue)).astype(float)
    answers = {}
    for row, user in enumerate(split.users):
        key = tuple(catalogue.ids[i] for i in split.test_history(user))
        answers[key] = int(split.test_items[row]) if row % 2 == 0 else -1

    def oracle(request):
        scores = counts.copy()
        answer = answers.get(tuple(request.history), -1)
        if request.instruction:
            matrix, values = catalogue.tag_matrix("genre")
            for column, value in enumerate(values):
                if value.casefold() in request.instruction.casefold():
                    scores[matrix[:, column]] += 1e6
        elif answer >= 0:
            scores[answer] = 1e9
        return scores

    models = {"sidra": oracle, "popularity": lambda r: counts, "item_cf": lambda r: np.zeros(len(catalogue))}
    np.save(tmp_path / "popularity.npy", counts.astype(np.int64))
    release = FakeRelease(
        "r-test", path, tmp_path / "popularity.npy", Manifest({"split": "leave_last_out"}, len(catalogue))
    )
    return ScriptedRecommender(catalogue, log, release, models)
