"""Ways to search, all with the same space, budget, seeds and first trial: ours and those it is compared with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, Protocol, get_args

import numpy as np

from recsys_core.errors import ConfigError
from recsys_core.tuning.history import History, Phase, Prediction, Proposal, TrialRecord
from recsys_core.tuning.optimiser import Optimiser, OptimiserConfig
from recsys_core.tuning.space import Config, Space

MethodName = Literal[
    "sidra", "tpe", "tpe_constrained", "gp", "random", "grid", "no_phases", "one_surrogate", "no_history"
]
"""``sidra`` is ours, ``tpe`` Optuna's default on the score, ``tpe_constrained`` and ``gp`` Optuna's TPE and Gaussian
process on throughput with the slack as a constraint; ``grid`` changes one knob at a time. The last three are ours with
a part left out."""

MAIN: tuple[MethodName, ...] = ("sidra", "tpe", "gp", "random", "grid")
ABLATIONS: tuple[MethodName, ...] = ("no_phases", "one_surrogate", "no_history")

NO_HISTORY = 5
"""Trials that the ablation without history remembers."""

_OPTIMISERS: dict[str, OptimiserConfig] = {
    "sidra": OptimiserConfig(),
    "no_phases": OptimiserConfig(phases=False),
    "one_surrogate": OptimiserConfig(two_surrogates=False),
    "no_history": OptimiserConfig(memory=NO_HISTORY),
}

Built = frozenset[tuple[object, ...]] | None


class Method(Protocol):
    """A way to search."""

    def phase(self, number: int) -> Phase:
        """The phase of a trial."""
        ...

    def propose(
        self, history: History, advised: Sequence[Proposal] = (), built: Built = None
    ) -> tuple[Proposal, Prediction | None]:
        """The next configuration; see :meth:`Optimiser.propose`."""
        ...

    def tell(self, record: TrialRecord) -> None:
        """A trial is done."""
        ...


def make_method(name: MethodName, space: Space, trials: int, seed: int) -> Method:
    """A method by name.

    Raises:
        ConfigError: there is no such method, or Optuna isn't installed.
    """
    if name in _OPTIMISERS:
        return Own(Optimiser(space, trials, seed, _OPTIMISERS[name]))
    if name == "random":
        return RandomSearch(space, seed)
    if name == "grid":
        return OneAtATime(space, seed)
    if name in {"tpe", "tpe_constrained", "gp"}:
        return OptunaMethod(name, space, seed)
    raise ConfigError(f"there is no method {name!r}; there are {', '.join(get_args(MethodName))}")


class Own:
    """Ours; it learns from the history alone, so a resumed study goes on as if it had never stopped."""

    def __init__(self, optimiser: Optimiser) -> None:
        self.optimiser = optimiser
        self.phase = optimiser.phase
        self.propose = optimiser.propose

    def tell(self, record: TrialRecord) -> None:
        """See :class:`Method`."""


class RandomSearch:
    """Valid configurations, each as likely."""

    def __init__(self, space: Space, seed: int) -> None:
        self.space, self._seed = space, seed

    def phase(self, number: int) -> Phase:
        """See :class:`Method`."""
        return "explore" if number else "reference"

    def propose(
        self, history: History, advised: Sequence[Proposal] = (), built: Built = None
    ) -> tuple[Proposal, Prediction | None]:
        """See :class:`Method`."""
        rng = np.random.default_rng([self._seed, len(history.trials)])
        config = within(self.space, self.space.sample(rng), built)
        return Proposal(config=config, proposed_by="random", reason="drawn"), None

    def tell(self, record: TrialRecord) -> None:
        """See :class:`Method`."""


class OneAtATime:
    """Every value of every knob with all others at the reference, in an order drawn by the seed (the grid that the
    paper compares with); then at random.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        moved = list(space.one_at_a_time())
        order = np.random.default_rng(seed).permutation(len(moved))
        self._order = [moved[int(place)] for place in order]
        self._rest = RandomSearch(space, seed)

    def phase(self, number: int) -> Phase:
        """See :class:`Method`."""
        return "explore" if number else "reference"

    def propose(
        self, history: History, advised: Sequence[Proposal] = (), built: Built = None
    ) -> tuple[Proposal, Prediction | None]:
        """See :class:`Method`."""
        place = len(history.trials) - 1
        if place >= len(self._order):
            return self._rest.propose(history, advised, built)
        config = within(self.space, self._order[place], built)
        return Proposal(config=config, proposed_by="grid", reason="one knob changed"), None

    def tell(self, record: TrialRecord) -> None:
        """See :class:`Method`."""


class OptunaMethod:
    """A sampler of Optuna over places among a knob's values; configurations that break a rule are mended as the
    space mends them, for every method alike.

    Raises:
        ConfigError: Optuna isn't installed.
    """

    def __init__(self, name: str, space: Space, seed: int) -> None:
        optuna = require_optuna()
        self.name, self.space, self._optuna = name, space, optuna
        constrained = {"constraints_func": _constraints} if name != "tpe" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constraints and the Gaussian process count as experimental there
            if name == "gp":
                # as with ours, a few trials before the surrogate is asked
                sampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=5, **constrained)
            else:
                sampler = optuna.samplers.TPESampler(seed=seed, **constrained)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._pending: Any = None

    def phase(self, number: int) -> Phase:
        """See :class:`Method`."""
        return "explore" if number else "reference"

    def propose(
        self, history: History, advised: Sequence[Proposal] = (), built: Built = None
    ) -> tuple[Proposal, Prediction | None]:
        """See :class:`Method`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._pending = self._study.ask(distributions(self.space))
        config = within(self.space, from_places(self.space, self._pending.params), built)
        return Proposal(config=config, proposed_by=self.name, reason="sampled"), None

    def tell(self, record: TrialRecord) -> None:
        """See :class:`Method`; the reference is told as a trial that was given."""
        trial = self._pending
        if trial is None:
            self._study.enqueue_trial(to_places(self.space, record.config))
            trial = self._study.ask(distributions(self.space))
        self._pending = None
        verdict = record.verdict
        gated = verdict.score == 0 and verdict.slack >= 0
        trial.set_user_attr("constraint", [0.05 if gated else -verdict.slack])
        self._study.tell(trial, verdict.score if self.name == "tpe" else verdict.speed)


def require_optuna() -> Any:
    """The package.

    Raises:
        ConfigError: it isn't installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ConfigError("tuning keeps its studies with Optuna: pip install 'sidra[tune]'") from error
    return optuna


def distributions(space: Space) -> dict[str, Any]:
    """Knobs as Optuna sees them: places among ordered values, categories otherwise."""
    optuna = require_optuna()
    whole, kinds = optuna.distributions.IntDistribution, optuna.distributions.CategoricalDistribution
    return {
        k.name: whole(0, len(k.values) - 1) if k.ordered else kinds(list(k.values))
        for k in space.knobs
        if len(k.values) > 1
    }


def from_places(space: Space, places: dict[str, Any]) -> Config:
    """A configuration from Optuna's parameters; a mended one where it breaks a rule."""
    config = dict(space.reference)
    for knob in space.knobs:
        if knob.name in places:
            config[knob.name] = knob.values[int(places[knob.name])] if knob.ordered else places[knob.name]
    return space.repaired(config)


def to_places(space: Space, config: Config) -> dict[str, Any]:
    """Optuna's parameters of a configuration."""
    return {
        k.name: k.values.index(config[k.name]) if k.ordered else config[k.name]
        for k in space.knobs
        if len(k.values) > 1
    }


def within(space: Space, config: Config, built: Built) -> Config:
    """The configuration, or, where nothing more may be built, the same with what is built already."""
    if built is None or space.rebuild_key(config) in built:
        return config
    kept = {k.name: space.reference[k.name] if k.cost == "rebuild" else config[k.name] for k in space.knobs}
    for knob in space.knobs:
        if knob.when is not None and knob.cost == "rebuild" and space.rebuild_key(space.repaired(kept)) not in built:
            kept[knob.when[0]] = space.reference[knob.when[0]]
    return space.repaired(kept)


def _constraints(trial: Any) -> Sequence[float]:
    return list(trial.user_attrs["constraint"])
