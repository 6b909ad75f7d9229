"""Beam search down the constraint index with a model that answers over HTTP, one call a level.

The same search as :mod:`recsys_core.generator.lm.search` makes in process: what a rule forbids is closed inside the
search, a prefix is kept only when an allowed item lies under it, and log-probabilities are those over the whole
catalogue, whatever the rule. Requests that share a rule share their calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.filters import ItemFilter
from recsys_core.constraints.index import ConstraintIndex
from recsys_core.constraints.restriction import Restriction
from recsys_core.generator.fusion import Fusion, fuse, spread
from recsys_core.generator.lm.layout import TokenLayout
from recsys_core.generator.vllm.answers import distributions
from recsys_core.generator.vllm.pool import ServerPool, model_name
from recsys_core.generator.vllm.rule import Probabilities, ServerRule, pack_items
from recsys_core.generator.widths import widths_at

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


class ServerFound(NamedTuple):
    """What a search found.

    Attributes:
        items: int64[B, P] item indices, best first, -1 where there are no more.
        log_probability: float32[B, P], -inf where there are no more.
        fused: float32[B, P], what the order follows; equals ``log_probability`` where nothing is sharpened.
        spread: float32[B], standard deviation of the kept prefixes' log-probabilities.
        forwarded: prefixes that a server expanded.
    """

    items: Ints
    log_probability: Floats
    fused: Floats
    spread: Floats
    forwarded: int


class _States(NamedTuple):
    """Prefixes at one depth: ``S`` of them, best first within each request.

    Attributes:
        request: int64[S].
        node: int64[S].
        score: float32[S], log-probability.
        tokens: int64[S, depth], as the model knows them.
    """

    request: Ints
    node: Ints
    score: Floats
    tokens: Ints

    def take(self, places: Ints) -> _States:
        return _States(self.request[places], self.node[places], self.score[places], self.tokens[places])


class _Children(NamedTuple):
    """Children of prefixes that came back: ``E`` of them.

    Attributes:
        state: int64[E], number of the parent.
        node: int64[E].
        conditional: float32[E], log-probability given the parent.
    """

    state: Ints
    node: Ints
    conditional: Floats


class ServerSearch:
    """Servers and an index, ready to be searched.

    Args:
        pool: servers of the release.
        layout: of its model's tokens.
        index: of its catalogue.
    """

    def __init__(self, pool: ServerPool, layout: TokenLayout, index: ConstraintIndex) -> None:
        self.pool = pool
        self.layout = layout
        self.index = index

    def rule(
        self,
        probabilities: Probabilities = "catalogue",
        item_filter: ItemFilter | None = None,
        excluded: Ints | None = None,
    ) -> str:
        """A rule as it travels."""
        packed = "" if excluded is None else pack_items(excluded)
        rule = ServerRule(release=self.pool.release, filter=item_filter, excluded=packed, probabilities=probabilities)
        return rule.model_dump_json(exclude_defaults=True)

    def search(
        self,
        prompts: Sequence[Sequence[int]],
        allowed: Bools,
        rule: str,
        widths: Ints,
        pool: int,
        fusion: Fusion | None = None,
    ) -> ServerFound:
        """The most probable allowed items of requests that share a rule.

        Args:
            prompts: tokens of B requests.
            allowed: bool[n_items], what the rule allows.
            rule: the same for a server, from :meth:`rule`.
            widths: int64[B], how many prefixes each request keeps at each level, or int64[B, L - 1] by level.
            pool: at most so many items come back a request.
            fusion: how prefix and item scores are combined; the model's own probabilities when None.

        Raises:
            NoServerError: none could be used.
        """
        restriction = self.index.restrict(allowed)
        order = self.pool.order()
        states, forwarded = self._start(len(prompts)), 0
        last = self.index.levels - 1
        for level in range(last):
            width = widths_at(widths, level)
            children, asked = self._expand(level, states, prompts, restriction, rule, int(width.max()), order)
            forwarded += asked
            states = self._kept(level, states, children, width)
        # sharpened probabilities and items of several semantic IDs need every sibling, closed ones too
        sharp = fusion is not None and fusion.power > 0
        every = sharp or self.index.leaves > len(self.index)
        children, asked = self._expand(
            last, states, prompts, restriction, self.rule() if sharp else rule, None if every else pool, order, sharp
        )
        return self._found(states, children, restriction, len(prompts), pool, fusion, forwarded + asked)

    def log_probabilities(self, prompts: Sequence[Sequence[int]], items: Ints) -> Floats:
        """Exact log-probability of items under each prompt: int64[m], distinct, to float32[B, m].

        Raises:
            NoServerError: none could be used.
        """
        allowed = np.zeros(len(self.index), dtype=bool)
        allowed[items] = True
        rule = self.rule(excluded=np.flatnonzero(~allowed))
        restriction = self.index.restrict(allowed)
        order = self.pool.order()
        states = self._start(len(prompts))
        everything = np.full(len(prompts), self.index.leaves, dtype=np.int64)
        for level in range(self.index.levels):
            children, _ = self._expand(level, states, prompts, restriction, rule, None, order)
            states = self._kept(level, states, children, everything)
        total = np.full((len(prompts), len(self.index)), -np.inf, dtype=np.float32)
        np.logaddexp.at(total, (states.request, self.index.leaf_item[states.node]), states.score)
        return np.asarray(total[:, items], dtype=np.float32)

    def item_head(self, prompts: Sequence[Sequence[int]]) -> Floats:
        """Log-probability of every item by one softmax over the catalogue: float32[B, n_items].

        Raises:
            NoServerError: none could be used.
        """
        count = len(self.index)

        def read(answer: Any) -> Floats:
            found = distributions(answer, len(prompts), model_name(self.pool.release))
            real = found.token != self.layout.pad
            item = found.token[real] - self.layout.first_item
            if ((item < 0) | (item >= count)).any():
                raise ValueError("a token that is no item came back")
            head = np.full((len(prompts), count), -np.inf, dtype=np.float32)
            head[found.owner[real], item] = found.log_probability[real]
            if not np.isfinite(head).all():
                raise ValueError("items were left out")
            return head

        return self.pool.complete(prompts, self.rule("items"), count + 1, read)

    def _start(self, requests: int) -> _States:
        return _States(
            np.arange(requests),
            np.zeros(requests, dtype=np.int64),
            np.zeros(requests, dtype=np.float32),
            np.zeros((requests, 0), dtype=np.int64),
        )

    def _expand(
        self,
        level: int,
        states: _States,
        prompts: Sequence[Sequence[int]],
        restriction: Restriction,
        rule: str,
        keep: int | None,
        order: Sequence[int],
        closed_too: bool = False,
    ) -> tuple[_Children, int]:
        """The best open children of each prefix (all of them where ``keep`` is None), and how many were asked for.

        Args:
            level: depth of the prefixes.
            states: the prefixes.
            prompts: of the requests.
            restriction: what must not come back.
            rule: the same for the server.
            keep: children wanted of each.
            order: of the servers.
            closed_too: the rule sent along is none, so closed children are expected as well.
        """
        children, _ = self.index.children(level, states.node)
        there = children >= 0
        opened = restriction.open(level + 1, children)
        expected = (there if closed_too else opened).sum(axis=1)
        alive = opened.any(axis=1)
        # an only child follows with certainty
        only = np.flatnonzero(alive & (there.sum(axis=1) == 1))
        asked = np.flatnonzero(alive & (there.sum(axis=1) > 1))
        parts = [_Children(only, children[only, 0].astype(np.int64), np.zeros(len(only), dtype=np.float32))]
        if len(asked):
            wanted = expected[asked] if keep is None else np.minimum(expected[asked], keep)
            read = partial(
                self._read,
                level=level,
                states=states.take(asked),
                restriction=None if closed_too else restriction,
                wanted=wanted,
            )
            longer = [
                [*prompts[request], *tokens]
                for request, tokens in zip(states.request[asked].tolist(), states.tokens[asked].tolist(), strict=True)
            ]
            # one more for padding, which has what closed children would have had
            found = self.pool.complete(longer, rule, int(wanted.max()) + 1, read, order)
            parts.append(_Children(asked[found.state], found.node, found.conditional))
        return _Children(*(np.concatenate(column) for column in zip(*parts, strict=True))), len(asked)

    def _read(
        self, answer: Any, *, level: int, states: _States, restriction: Restriction | None, wanted: Ints
    ) -> _Children:
        """Children out of an answer, each one checked against index and rule.

        Raises:
            ValueError: says what can't be true.
        """
        found = distributions(answer, len(states.node), model_name(self.pool.release))
        real = found.token != self.layout.pad
        state, token = found.owner[real], found.token[real]
        node = self.index.step(level, states.node[state], token - self.layout.first(level)).astype(np.int64)
        if (node < 0).any():
            raise ValueError(f"token {token[node < 0][0]} leads to no semantic ID; does it run Sidra's plug-in?")
        if restriction is not None and not restriction.open(level + 1, node).all():
            raise ValueError("a token outside the request's rule came back; does it run Sidra's plug-in?")
        if (np.bincount(state, minlength=len(wanted)) < wanted).any():
            raise ValueError("continuations that the rule allows were left out; is it of the same release?")
        return _Children(state, node, found.log_probability[real].astype(np.float32))

    def _kept(self, level: int, states: _States, children: _Children, widths: Ints) -> _States:
        """The best children of each request, at most ``widths`` of them; ties go to the smaller semantic ID."""
        request = states.request[children.state]
        score = states.score[children.state] + children.conditional
        order = np.lexsort((children.node, -score, request))
        rank = _ranks(request[order])
        order = order[rank < widths[request[order]]]
        parent, node = children.state[order], children.node[order]
        token = self.layout.first(level) + self.index.child_token[level][node].astype(np.int64)
        tokens = np.concatenate([states.tokens[parent], token[:, None]], axis=1)
        return _States(request[order], node, score[order], tokens)

    def _found(
        self,
        states: _States,
        children: _Children,
        restriction: Restriction,
        requests: int,
        pool: int,
        fusion: Fusion | None,
        forwarded: int,
    ) -> ServerFound:
        """The ``pool`` best items of each request by fused score."""
        slot = _ranks(states.request)
        width = int(slot.max(initial=0)) + 1
        prefixes = np.full((requests, width), -np.inf, dtype=np.float32)
        prefixes[states.request, slot] = states.score
        request = states.request[children.state]
        exact = states.score[children.state] + children.conditional
        fused = exact
        if fusion is not None:
            place = _ranks_of(children.state)
            dense = np.full((requests, width, int(place.max(initial=0)) + 1), -np.inf, dtype=np.float32)
            dense[request, slot[children.state], place] = children.conditional
            fused = fuse(prefixes, dense, fusion)[request, slot[children.state], place]
        leaf = children.node
        there = np.flatnonzero(restriction.open(self.index.levels, leaf))
        request, leaf, exact, fused = request[there], leaf[there], exact[there], fused[there]
        if self.index.leaves > len(self.index):
            request, leaf, exact, fused = self._added_up(request, leaf, exact, fused, requests)
        there = np.flatnonzero(np.isfinite(fused))
        request, leaf, exact, fused = request[there], leaf[there], exact[there], fused[there]
        order = np.lexsort((leaf, -fused, request))
        rank = _ranks(request[order])
        order, rank = order[rank < pool], rank[rank < pool]
        shape = (requests, int(rank.max(initial=-1)) + 1)
        items = np.full(shape, -1, dtype=np.int64)
        log_probability = np.full(shape, -np.inf, dtype=np.float32)
        ranked = log_probability.copy()
        place_of = (request[order], rank)
        items[place_of] = self.index.leaf_item[leaf[order]]
        log_probability[place_of], ranked[place_of] = exact[order], fused[order]
        return ServerFound(items, log_probability, ranked, spread(prefixes), forwarded)

    def _added_up(
        self, request: Ints, leaf: Ints, exact: Floats, fused: Floats, requests: int
    ) -> tuple[Ints, Ints, Floats, Floats]:
        """Log-probabilities of an item's leaves, added up; an item stands at its main leaf."""
        item = self.index.leaf_item[leaf]
        totals = np.full((2, requests, len(self.index)), -np.inf, dtype=np.float32)
        for total, own in zip(totals, (exact, fused), strict=True):
            np.logaddexp.at(total, (request, item), own)
        row, column = np.nonzero(np.isfinite(totals[0]))
        return row, self.index.item_leaf[column].astype(np.int64), totals[0][row, column], totals[1][row, column]


def _ranks(groups: Ints) -> Ints:
    """Place of each element within its group, groups being neighbours: int64[n] to int64[n]."""
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))


def _ranks_of(groups: Ints) -> Ints:
    """The same for groups in any order."""
    order = np.argsort(groups, kind="stable")
    rank = np.empty(len(groups), dtype=np.int64)
    rank[order] = _ranks(groups[order])
    return rank
