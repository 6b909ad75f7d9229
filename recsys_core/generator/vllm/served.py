"""The release that a server answers for, and its rules: which tokens may follow which.

Knows nothing of vLLM and nothing of torch; runs in a server's process.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.constraints.restriction import Restriction
from recsys_core.errors import FilterError, ReleaseError, SidraError
from recsys_core.generator.lm.layout import LAYOUT_FILE, TokenLayout
from recsys_core.generator.vllm.rule import ARGUMENT, Probabilities, ServerRule, unpack_items
from recsys_core.releases.release import Release

Ints = NDArray[np.int64]

VARIABLE = "SIDRA_SERVED_RELEASE"
"""Environment variable with the folder of the release that a server answers for."""

RULE_BYTES = 1 << 28
"""What the rules used lately may take together."""


class Prepared(NamedTuple):
    """A rule, ready to be held against prefixes.

    Attributes:
        allowed: ``bool[n_items]``; None where everything is.
        restriction: the same over the index; None where everything is allowed.
        probabilities: what probabilities are relative to.
    """

    allowed: NDArray[np.bool_] | None
    restriction: Restriction | None
    probabilities: Probabilities


class Step(NamedTuple):
    """What may follow each of ``R`` rows of tokens: ``E`` continuations, neighbours where they belong to one row.

    Attributes:
        owner: ``int64[E]``, 0 to R - 1.
        token: ``int64[E]``, token numbers.
        opened: ``bool[E]``, which of them the rule allows.
        factor: ``float32[R]``, what logits are multiplied with first.
        keeps: ``bool[R]``, whether the share of closed continuations is kept, on ``rest``.
        rest: ``int64[R]``, the token that has everything where nothing is open, and what is kept.
    """

    owner: Ints
    token: Ints
    opened: NDArray[np.bool_]
    factor: NDArray[np.float32]
    keeps: NDArray[np.bool_]
    rest: Ints


class ServedRelease:
    """Rules and prefixes of one release.

    Args:
        name: id of the release.
        layout: token numbers of its model.
        index: of its semantic IDs.
        catalogue: of its items, for filters.

    Raises:
        ReleaseError: these don't belong together.
    """

    def __init__(self, name: str, layout: TokenLayout, index: ConstraintIndex, catalogue: Catalogue) -> None:
        if (layout.n_items, layout.levels) != (len(index), index.levels) or len(catalogue) != len(index):
            raise ReleaseError(
                f"release {name}: the lm knows {layout.n_items} items on {layout.levels} levels, the constraint index "
                f"{len(index)} on {index.levels}, the catalogue {len(catalogue)}; build it again"
            )
        self.name = name
        self.layout = layout
        self.index = index
        self.catalogue = catalogue
        self.tokens = continuation_tokens(layout, index)
        """Per level, ``int64[nodes at the next depth]``: the model's token that leads to each node."""
        self._rules: OrderedDict[str, Prepared] = OrderedDict()
        self._kept = max(8, RULE_BYTES // (4 * index.leaves + len(index)))
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path) -> ServedRelease:
        """Open a release's folder.

        Raises:
            ReleaseError: a part is missing or damaged, or there is no lm in it.
            DataError: the catalogue can't be read.
        """
        release = Release(folder)
        try:
            layout = TokenLayout.model_validate_json((release.lm / LAYOUT_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ReleaseError(f"release {release.id} has no lm; build one that has: sidra build --with-lm") from None
        except (OSError, ValueError) as error:
            raise ReleaseError(f"{folder}: {LAYOUT_FILE} can't be read ({error}); run `sidra build` again") from error
        if layout.lazy_layers:
            raise ReleaseError(
                f"release {release.id}: its lm is a lazy decoder, which vLLM can't run; build one without "
                "`lm.model.lazy_layers`, or serve it in process with SIDRA_GENERATOR=lm"
            )
        return cls(release.id, layout, ConstraintIndex.load(release.index), Catalogue.load(release.catalogue))

    def check(self, arguments: Mapping[str, Any] | None, max_tokens: int | None) -> None:
        """Refuse a request whose rule can't be kept.

        Args:
            arguments: its ``vllm_xargs``.
            max_tokens: how many tokens it wants.

        Raises:
            ValueError: names the field and says what to do.
        """
        text = rule_text(arguments)
        if text is None:
            return
        rule = self.rule(text)
        if rule.probabilities != "allowed" and max_tokens != 1:
            raise ValueError(
                f"{ARGUMENT}: probabilities: {rule.probabilities!r} gives the probabilities of one next token; "
                "set max_tokens to 1, or probabilities to 'allowed' for whole answers"
            )

    def rule(self, text: str) -> Prepared:
        """A rule from its JSON; the same text is read once.

        Raises:
            ValueError: names the field and says what to do.
        """
        with self._lock:
            known = self._rules.get(text)
            if known is not None:
                self._rules.move_to_end(text)
                return known
        prepared = self._prepare(text)
        with self._lock:
            self._rules[text] = prepared
            while len(self._rules) > self._kept:
                self._rules.popitem(last=False)
        return prepared

    def _prepare(self, text: str) -> Prepared:
        try:
            rule = ServerRule.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "rule"
            raise ValueError(
                f"{ARGUMENT}: {where}: {first['msg']}; a rule has the fields {', '.join(ServerRule.model_fields)}"
            ) from None
        if rule.release != self.name:
            raise ValueError(
                f"{ARGUMENT}: release: this server answers for release {self.name!r}, not for {rule.release!r}; "
                "ask a server of that release, or start this one again on it"
            )
        allowed: NDArray[np.bool_] | None = None
        if rule.filter is not None and not rule.filter.is_empty():
            try:
                allowed = rule.filter.mask(self.catalogue)
            except FilterError as error:
                raise ValueError(f"{ARGUMENT}: filter: {error}") from None
        if rule.excluded:
            try:
                excluded = unpack_items(rule.excluded, len(self.index))
            except ValueError as error:
                raise ValueError(f"{ARGUMENT}: excluded: {error}") from None
            allowed = ~excluded if allowed is None else allowed & ~excluded
        restriction = None if allowed is None else self.index.restrict(allowed)
        return Prepared(allowed, restriction, rule.probabilities)

    def places(self, tails: Ints) -> tuple[Ints, Ints]:
        """How far each answer has come.

        An answer's codes follow straight after the prompt, which itself holds none, so the newest tokens tell.

        Args:
            tails: ``int64[R, L]``, the newest tokens of each row, -1 before its first.

        Returns:
            Depth, 0 (nothing yet) to L (whole), and node at that depth, -1 where no such prefix exists.
        """
        layout, levels = self.layout, self.index.levels
        is_code = (tails >= layout.text_tokens) & (tails < layout.first_item)
        run = _trailing(is_code)
        if layout.hybrid:
            # an item straight after codes ends an answer; an item elsewhere is history
            whole = (tails[:, -1] >= layout.first_item) & (levels > 1) & (_trailing(is_code[:, :-1]) == levels - 1)
            run = np.where(whole, levels, run)
        depth = np.minimum(run, levels)
        node = np.zeros(len(tails), dtype=np.int64)
        for count in np.unique(depth).tolist():
            rows = np.flatnonzero(depth == count)
            at = node[rows]
            for level in range(count):
                at = self._follow(level, at, tails[rows, levels - count + level])
            node[rows] = at
        if layout.hybrid:
            # all codes without the item after them are depth levels - 1; more codes than that are no prefix
            node[(depth == levels) & (tails[:, -1] < layout.first_item)] = -1
        return depth, node

    def _follow(self, level: int, nodes: Ints, tokens: Ints) -> Ints:
        followed: Ints = self.index.step(level, nodes, tokens - self.layout.first(level)).astype(np.int64)
        return followed

    def step(self, tails: Ints, rules: Sequence[Prepared]) -> Step:
        """What may follow.

        Args:
            tails: ``int64[R, L]``, the newest tokens of each row, -1 before its first.
            rules: one a row; rows of one request share theirs.
        """
        layout, rows = self.layout, len(rules)
        depth, node = self.places(tails)
        head = np.array([rule.probabilities == "items" for rule in rules], dtype=bool)
        kept = np.array([rule.probabilities != "allowed" for rule in rules], dtype=bool)
        parts = [self._items(np.flatnonzero(head), rules)] if head.any() else []
        for level in np.unique(depth[~head]).tolist():
            chosen = np.flatnonzero(~head & (depth == level) & (node >= 0))
            if level < self.index.levels and len(chosen):
                parts.append(self._children(level, chosen, node[chosen], rules))
        owner, token, opened = (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else _nothing()
        return Step(
            owner,
            token,
            opened,
            np.where(head, layout.item_head_factor, 1.0).astype(np.float32),
            kept,
            np.where(kept, layout.pad, layout.end).astype(np.int64).reshape(rows),
        )

    def _children(
        self, level: int, rows: Ints, nodes: Ints, rules: Sequence[Prepared]
    ) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        start = self.index.child_start[level]
        low = start[nodes].astype(np.int64)
        width = start[nodes + 1] - low
        owner = np.repeat(rows, width)
        ends = np.cumsum(width)
        edge = np.arange(int(ends[-1])) + np.repeat(low - (ends - width), width)
        opened = np.ones(len(edge), dtype=bool)
        groups = _by_rule(rows, rules)
        for rule, own in groups:
            if rule.restriction is not None:
                place = np.isin(owner, own) if len(groups) > 1 else slice(None)
                opened[place] = rule.restriction.open(level + 1, edge[place])
        return owner, self.tokens[level][edge], opened

    def _items(self, rows: Ints, rules: Sequence[Prepared]) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        count = len(self.index)
        opened = np.ones((len(rows), count), dtype=bool)
        for number, row in enumerate(rows.tolist()):
            allowed = rules[row].allowed
            if allowed is not None:
                opened[number] = allowed
        token = np.tile(self.layout.first_item + np.arange(count), len(rows))
        return np.repeat(rows, count), token, opened.reshape(-1)


def rule_text(arguments: Mapping[str, Any] | None) -> str | None:
    """The rule among a request's ``vllm_xargs``; None for a request without one.

    Raises:
        ValueError: it isn't a string, or an argument looks like it under another name.
    """
    for name in arguments or {}:
        if name.startswith("sidra") and name != ARGUMENT:
            raise ValueError(f"vllm_xargs: unknown argument {name!r}; the rule of a request is called {ARGUMENT!r}")
    text = (arguments or {}).get(ARGUMENT)
    if text is not None and not isinstance(text, str):
        raise ValueError(f"{ARGUMENT}: give the rule as a JSON string")
    return text


def continuation_tokens(layout: TokenLayout, index: ConstraintIndex) -> list[Ints]:
    """Per level, ``int64[nodes at the next depth]``: the model's token that leads to each node.

    Raises:
        ReleaseError: in a hybrid layout the last token of a semantic ID isn't the item's own.
    """
    if layout.hybrid and not np.array_equal(index.child_token[-1], index.leaf_item):
        raise ReleaseError("the last code of a semantic ID isn't its item's number; run `sidra build` again")
    found: list[Ints] = []
    for level, codes in enumerate(index.child_token):
        found.append(layout.first(level) + np.asarray(codes, dtype=np.int64))
    return found


@cache
def served_release() -> ServedRelease:
    """The release that :data:`VARIABLE` names, opened once a process.

    Raises:
        ReleaseError: it isn't set, or the release can't be opened.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise ReleaseError(f"{VARIABLE} isn't set; start the server with `sidra serve-generator`")
    return ServedRelease.load(Path(folder))


def check_request(arguments: Mapping[str, Any] | None, max_tokens: int | None) -> None:
    """What both plug-ins do when a request arrives; see :meth:`ServedRelease.check`.

    Raises:
        ValueError: the request's rule can't be kept.
    """
    try:
        served_release().check(arguments, max_tokens)
    except SidraError as error:
        raise ValueError(str(error)) from error


def _trailing(flags: NDArray[np.bool_]) -> Ints:
    """How many columns in a row are true at the end of each row: ``bool[R, N]`` to ``int64[R]``."""
    if not flags.shape[1]:
        return np.zeros(len(flags), dtype=np.int64)
    backwards = flags[:, ::-1]
    run: Ints = np.where(backwards.all(axis=1), flags.shape[1], backwards.argmin(axis=1)).astype(np.int64)
    return run


def _by_rule(rows: Ints, rules: Sequence[Prepared]) -> list[tuple[Prepared, Ints]]:
    """The distinct rules of some rows, each with its rows."""
    found: dict[int, tuple[Prepared, list[int]]] = {}
    for row in rows.tolist():
        found.setdefault(id(rules[row]), (rules[row], []))[1].append(row)
    return [(rule, np.array(own, dtype=np.int64)) for rule, own in found.values()]


def _nothing() -> tuple[Ints, Ints, NDArray[np.bool_]]:
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
