"""How each row of the table is fitted. Settings are chosen on validation; test targets are only ranked at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eval.comparison.bench import Bench, Ints
from eval.comparison.blend import fit_blend
from eval.comparison.entry import Cost, Entry, make_entry
from eval.comparison.language_model import LmScorer, item_head_share, validation_part
from eval.figures import Progress
from recsys_core.baselines.als import tuned_als
from recsys_core.baselines.ease import tuned_ease
from recsys_core.baselines.item_cf import tuned_item_cf
from recsys_core.baselines.nearest import Nearest
from recsys_core.baselines.popularity import Popularity
from recsys_core.baselines.protocol import SequenceScorer, Tell, ndcg, validation_ranks
from recsys_core.errors import ConfigError
from recsys_core.generator.prepare import centred
from recsys_core.generator.protocol import GenerateRequest
from recsys_core.releases.build import BuildConfig, BuildEvent, build_release
from recsys_core.releases.release import Release
from recsys_core.releases.store import ReleaseStore

BEAM = 50
"""Beam of every generated list in the table; a narrower one loses some recall, see docs/evaluation.md."""

SERVED = ("sidra", "generator", "generator_sigma", "generator_top1", "generator_fixed")
"""Rows that one release answers."""

BASELINES = (
    "lm",
    "sasrec",
    "item_cf",
    "ease",
    "als",
    "tiger",
    "popularity",
    "sasrec_item_cf",
    "sasrec_item_cf_vectors",
)
"""Rows fitted by themselves: the other generator family, baselines, and two mixes of them chosen on validation."""


@dataclass
class Fitted:
    """A baseline and what it took."""

    scorer: SequenceScorer
    cost: Cost
    settings: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)


class Contenders:
    """Fits what is asked for, each recommender once, and ranks the test targets with it.

    Args:
        bench: the data.
        home: where releases go.
        seed: of everything random.
        progress: told how far the work is.
        threads: processor threads of training.
    """

    def __init__(self, bench: Bench, home: Path, seed: int, progress: Progress | None = None, threads: int = 2) -> None:
        self.bench = bench
        self.home = home
        self.seed = seed
        self.threads = threads
        self.progress = progress or (lambda stage, done, total: None)
        self._fitted: dict[str, Fitted] = {}
        self._ways: dict[str, Callable[[Tell], Fitted]] = {
            "popularity": self._popularity,
            "item_cf": self._item_cf,
            "ease": self._ease,
            "als": self._als,
            "sasrec": self._sasrec,
            "tiger": self._tiger,
            "lm": self._lm,
            "sasrec_item_cf": lambda tell: self._mix(("sasrec", "item_cf"), tell),
            "sasrec_item_cf_vectors": lambda tell: self._mix(("sasrec", "item_cf", "vectors"), tell),
            "vectors": self._vectors,
        }

    def baseline(self, name: str) -> Entry:
        """One row without Sidra.

        Raises:
            ConfigError: no such row, or the data is more than the method can take.
        """
        fitted = self.fitted(name)
        self.progress(f"{name}: test", 0, 1)
        ranks = self.bench.test_ranks(fitted.scorer)
        self.progress(f"{name}: test", 1, 1)
        return make_entry(
            name,
            ranks,
            fitted.cost,
            fitted.scorer.parameters,
            seed=self.seed,
            settings=fitted.settings,
            validation=fitted.validation,
        )

    def fitted(self, name: str) -> Fitted:
        """A baseline, fitted on first use."""
        if name not in self._ways:
            raise ConfigError(f"there is no model {name!r}; choose among {', '.join(sorted(self._ways))}")
        if name not in self._fitted:

            def tell(detail: str, done: int, total: int) -> None:
                self.progress(f"{name}: {detail}", done, total)

            self._fitted[name] = self._ways[name](tell)
        return self._fitted[name]

    def release(self, config: BuildConfig, label: str = "sidra") -> tuple[Release, Cost]:
        """Build a release of the data; an unfinished build of the same configuration goes on."""
        store = ReleaseStore(self.home / "comparison" / self.bench.name)

        def report(event: BuildEvent) -> None:
            self.progress(f"{label}: {event.stage} {event.detail}"[:70], round(100 * (event.fraction or 0)), 100)

        with Cost() as cost:
            release = build_release(self.bench.folder, store, config, report)
        return release, cost

    def served(self, release: Release, cost: Cost, models: tuple[str, ...] = SERVED, prefix: str = "") -> list[Entry]:
        """Rows of one release."""
        from recsys_core.serving.recommender import Recommender

        recommender = Recommender.open(release, threads=self.threads, text_config=self.bench.encoder.config)
        metrics = release.manifest.metrics
        parts = {"generator": metrics.get("generator.parameters", 0.0)}
        serving = recommender.scorer.serving
        mix = {task.value: m.model_dump(mode="json") for task, m in serving.mixes.items()}
        try:
            return [
                make_entry(
                    prefix + model,
                    self._ranks(recommender, model),
                    cost,
                    int(parts["generator"]) + (recommender.scorer.item_cf.parameters if model == "sidra" else 0),
                    seed=self.seed,
                    settings={"release": release.manifest.config, "mixes": mix},
                    validation={k: v for k, v in metrics.items() if "validation" in k} | serving.measured,
                )
                for model in models
            ]
        finally:
            recommender.close()

    def _ranks(self, recommender: Any, model: str, batch: int = 64) -> Ints:
        ids = self.bench.catalogue.ids
        found = []
        for start in range(0, len(self.bench.targets), batch):
            self.progress(f"{model}: test", start, len(self.bench.targets))
            histories = self.bench.histories[start : start + batch]
            requests = [GenerateRequest(history=[ids[i] for i in h], k=10, beam=BEAM) for h in histories]
            for target, answer in zip(
                self.bench.targets[start : start + batch], recommender.recommend(requests, model=model), strict=True
            ):
                listed = [item.item_id for item in answer.items]
                wanted = ids[int(target)]
                found.append(listed.index(wanted) + 1 if wanted in listed else 0)
        return np.array(found, dtype=np.int64)

    def _popularity(self, tell: Tell) -> Fitted:
        with Cost() as cost:
            scorer = Popularity.fit(self.bench.data, seed=self.seed, tell=tell)
        return Fitted(scorer, cost)

    def _item_cf(self, tell: Tell) -> Fitted:
        with Cost() as cost:
            choice = tuned_item_cf(self.bench.data, tell)
        return Fitted(choice.scorer, cost, choice.config.model_dump(), {"ndcg@10": choice.ndcg})

    def _ease(self, tell: Tell) -> Fitted:
        with Cost() as cost:
            choice = tuned_ease(self.bench.data, seed=self.seed, tell=tell)
        return Fitted(choice.scorer, cost, choice.config.model_dump(), {"ndcg@10": choice.ndcg})

    def _als(self, tell: Tell) -> Fitted:
        with Cost() as cost:
            choice = tuned_als(self.bench.data, seed=self.seed, tell=tell)
        return Fitted(choice.scorer, cost, choice.config.model_dump(), {"ndcg@10": choice.ndcg})

    def _sasrec(self, tell: Tell) -> Fitted:
        from recsys_core.baselines.sasrec.config import SasRecConfig
        from recsys_core.baselines.sasrec.train import SASRec

        data = self.bench.data
        small = SasRecConfig.for_size(data.n_items, len(data.items))
        # the shape that Sidra's generator uses is open to SASRec, too
        wide = small.model_copy(update={"width": 128, "dropout": max(0.5, small.dropout)})
        tried: list[tuple[float, SASRec, SasRecConfig]] = []
        with Cost() as cost:
            for config in (small, wide):
                scorer = SASRec.fit(data, config, seed=self.seed, tell=tell)
                tried.append((ndcg(validation_ranks(scorer, data)), scorer, config))
        value, scorer, config = max(tried, key=lambda one: one[0])
        measured = {f"ndcg@10.width_{c.width}": v for v, _, c in tried} | {"ndcg@10": value}
        return Fitted(scorer, cost, config.model_dump(), measured)

    def _tiger(self, tell: Tell) -> Fitted:
        from dataclasses import replace

        from recsys_core.baselines.tiger.config import TigerConfig
        from recsys_core.baselines.tiger.train import Tiger

        config = TigerConfig()
        with Cost() as cost:
            data = replace(self.bench.data, sids=self.bench.pure_sids)
            scorer = Tiger.fit(data, config, seed=self.seed, tell=tell)
        return Fitted(scorer, cost, config.model_dump())

    def _lm(self, tell: Tell) -> Fitted:
        from dataclasses import replace

        from recsys_core.generator.lm.config import LmConfig, LmTrainConfig
        from recsys_core.generator.lm.histories import fit_histories

        shape, recipe = LmConfig(), LmTrainConfig(seed=self.seed, threads=self.threads)
        with Cost() as cost:
            data = replace(self.bench.data, sids=self.bench.hybrid_sids)
            tell("training on histories", 0, recipe.epochs)
            # validation after each epoch is slow; a sample decides when to stop
            own = replace(data, **validation_part(data, recipe.validate_users, self.seed))
            generator = fit_histories(own, shape, recipe, hybrid=True)
            share, value = item_head_share(generator, data, self.seed)
        settings = shape.model_dump() | recipe.model_dump() | {"item_head": share}
        return Fitted(LmScorer(generator, share), cost, settings, {"ndcg@10": value})

    def _vectors(self, tell: Tell) -> Fitted:
        with Cost() as cost:
            scorer = Nearest(centred(self.bench.content))
        return Fitted(scorer, cost, scorer.config.model_dump())

    def _mix(self, names: tuple[str, ...], tell: Tell) -> Fitted:
        parts = [self.fitted(name) for name in names]
        with Cost() as cost:
            tell("weights on validation", 0, 1)
            scorers = [p.scorer for p in parts]
            blend, value = fit_blend(scorers, [n == "sasrec" for n in names], self.bench.data, self.seed)
        # the parts are fitted for the mix, too
        for part in parts:
            cost.seconds += part.cost.seconds
            cost.cpu_seconds += part.cost.cpu_seconds
        settings = {"geometric": blend.geometric} | dict(zip(names, blend.weights, strict=True))
        return Fitted(blend, cost, settings, {"ndcg@10": value})
