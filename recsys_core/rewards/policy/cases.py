"""Histories cut in two, what is known and what comes next; users who train and who are measured are apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.interactions import InteractionLog
from recsys_core.catalog.splits import Split, leakage_check, leave_last_out
from recsys_core.durable import digest
from recsys_core.encoders.text import item_description
from recsys_core.errors import DataError
from recsys_core.profiles import Averages, HistoryFacts, Past, history_facts, rule_profile
from recsys_core.rewards.policy.config import TrainProfileConfig
from recsys_core.rewards.policy.guards import Guard, Visible
from recsys_core.rewards.policy.slots import Slot, slots_of

Ints = NDArray[np.int64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Case:
    """One history, cut.

    Attributes:
        visible: whose, which items are known, which are to be predicted.
        facts: of the known part.
        slots: the facts as the policy reads them.
        rule: the profile that rules write of them.
        targets: what is said of the items to be predicted.
        known: likewise of the visible items, which are nobody's negatives.
    """

    visible: Visible
    facts: HistoryFacts
    slots: tuple[Slot, ...]
    rule: str
    targets: tuple[str, ...]
    known: frozenset[str]


@dataclass(frozen=True)
class Groups:
    """Users by what they are for; nobody is in two groups.

    Attributes:
        train: user indices that rewards come from.
        held_out: user indices that are only measured.
    """

    train: Ints
    held_out: Ints


def user_groups(split: Split, config: TrainProfileConfig) -> Groups:
    """Groups of the users who have a target.

    Test users are drawn first, so they are the same for both kinds of ``config.split``; where settings are chosen,
    others are measured and neither group trains.

    Raises:
        DataError: too few users.
    """
    count = min(config.data.held_out, len(split.users) // 3)
    if count < 2 or len(split.users) - 2 * count < config.grpo.users:
        raise DataError(
            f"{len(split.users)} users have the three interactions that are needed; training takes {config.grpo.users} "
            "at a time beside those that are only measured; import a longer log"
        )
    order = np.random.default_rng([config.seed, 0]).permutation(split.users)
    test, validation, rest = order[:count], order[count : 2 * count], order[2 * count :]
    if config.split == "test":
        return Groups(np.sort(np.concatenate([validation, rest])), np.sort(test))
    return Groups(np.sort(rest), np.sort(validation))


@dataclass(frozen=True)
class TrainingData:
    """Everything that a run reads.

    Attributes:
        train: several cuts of each training user.
        held_out: one of each measured user.
        guard: over the same catalogue.
        noun: what the items are called.
        skipped: held-out users whose target was already in their history, so that nothing was left to predict.
    """

    train: list[Case]
    held_out: list[Case]
    guard: Guard
    noun: str
    skipped: int

    @property
    def hash(self) -> str:
        """Changes with anything that training or measuring reads."""
        return digest(
            [
                [
                    case.visible.user,
                    sorted(case.visible.items),
                    case.visible.targets,
                    case.slots,
                    case.rule,
                    case.targets,
                ]
                for part in (self.train, self.held_out)
                for case in part
            ]
        )


def training_data(
    catalogue: Catalogue, log: InteractionLog, config: TrainProfileConfig, progress: Progress | None = None
) -> TrainingData:
    """Cut the histories of a release.

    Training users give cuts of their training part only: their own validation and test items stay unseen, so that a
    writer may be used in measurements of recommendation on the same users. A held-out user's targets are their last
    items (where settings are chosen: without the very last, the test item), and all before them is known.

    Args:
        catalogue: the items.
        log: all interactions.
        config: how.
        progress: told how far it is.

    Raises:
        DataError: too few users, or the split leaks.
    """
    split = leave_last_out(log)
    leakage_check(split)
    groups = user_groups(split, config)
    averages = Averages(catalogue, np.bincount(split.train_items, minlength=len(catalogue)))
    guard = Guard(catalogue)
    cutter = _Cutter(averages, log, config)
    last = 1 if config.split == "validation" else 0
    train: list[Case] = []
    for n, user in enumerate(groups.train.tolist()):
        train += cutter.training(user, len(split.train_sequence(user)))
        if progress and n % 20 == 0:
            progress("reading histories", n, len(groups.train) + len(groups.held_out))
    held_out = []
    for n, user in enumerate(groups.held_out.tolist()):
        case = cutter.last(user, int(log.offsets[user + 1] - log.offsets[user]) - last)
        if case is not None:
            held_out.append(case)
        if progress and n % 20 == 0:
            progress("reading histories", len(groups.train) + n, len(groups.train) + len(groups.held_out))
    if len(held_out) <= config.bump.negatives or len({case.visible.user for case in train}) < config.grpo.users:
        raise DataError(
            f"{len(held_out)} held-out users and {len(train)} cuts of training users are too few for batches of "
            f"{config.grpo.users} users and {config.bump.negatives} foreign ones; import a longer log"
        )
    return TrainingData(train, held_out, guard, catalogue.item_noun, len(groups.held_out) - len(held_out))


class _Cutter:
    def __init__(self, averages: Averages, log: InteractionLog, config: TrainProfileConfig) -> None:
        self._averages, self._log, self._config = averages, log, config
        self._texts: dict[int, str] = {}

    def training(self, user: int, length: int) -> list[Case]:
        """Cuts within the oldest ``length`` interactions, the last possible one among them."""
        data = self._config.data
        places = np.arange(data.shortest, length - data.targets + 1)
        if not len(places):
            return []
        rng = np.random.default_rng([self._config.seed, 1, user])
        chosen = rng.choice(places[:-1], size=min(data.cuts - 1, len(places) - 1), replace=False)
        found = (self.cut(user, int(place), data.targets, length) for place in np.sort(np.append(chosen, places[-1])))
        return [case for case in found if case is not None]

    def last(self, user: int, end: int) -> Case | None:
        """The last possible cut of the oldest ``end`` interactions; at least one of them is known."""
        return self.cut(user, max(1, end - self._config.data.targets), self._config.data.targets, end)

    def cut(self, user: int, place: int, targets: int, end: int | None = None) -> Case | None:
        """What is known before a place; None when nothing new comes after it."""
        log = self._log
        sequence = log.sequence(user)[:end]
        known = frozenset(sequence[:place].tolist())
        following = [i for i in dict.fromkeys(sequence[place : place + targets].tolist()) if i not in known]
        if not following:
            return None
        facts = history_facts(self._averages, Past.of(log, user, place))
        slots = tuple(slots_of(facts, self._config.policy.slots, self._config.policy.titles))
        visible = Visible(log.users[user], known, tuple(following))
        return Case(
            visible,
            facts,
            slots,
            rule_profile(facts),
            tuple(self._text(i) for i in following),
            frozenset(self._text(i) for i in known),
        )

    def _text(self, index: int) -> str:
        if index not in self._texts:
            self._texts[index] = target_text(self._averages.catalogue, index)
        return self._texts[index]


def target_text(catalogue: Catalogue, index: int) -> str:
    """What a judge is told of an item: its title and what it says about itself."""
    return f"{catalogue.titles[index]}. {item_description(catalogue, index)}"


def sample_batch(cases: Sequence[Case], users: int, rng: np.random.Generator) -> list[Case]:
    """One cut each of so many users, users and cuts drawn evenly."""
    by_user: dict[str, list[int]] = {}
    for n, case in enumerate(cases):
        by_user.setdefault(case.visible.user, []).append(n)
    names = list(by_user)
    drawn = rng.choice(len(names), size=users, replace=False)
    return [cases[by_user[names[n]][int(rng.integers(len(by_user[names[n]])))]] for n in drawn]
