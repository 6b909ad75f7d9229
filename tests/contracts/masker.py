"""What every way of masking keeps, under no rule and under random ones; inherit and give ``maskers``."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_core.constraints import ConstraintIndex

bounded = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def worlds(draw, most=300):
    """A catalogue with its index, and a rule over items: depth 1 to 6, narrow and wide levels, shared items."""
    depth = draw(st.integers(1, 6))
    wanted = draw(st.one_of(st.integers(1, 12), st.integers(1, most)))
    widths = [draw(st.sampled_from([1, 2, 3, 17, 300])) for _ in range(depth)]
    skew = draw(st.sampled_from([1.0, 3.0, 8.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    drawn = [(rng.random(wanted) ** skew * width).astype(np.int64) for width in widths]
    sids = np.unique(np.stack(drawn, axis=1), axis=0)
    sids = sids[rng.permutation(len(sids))]
    owners = np.arange(len(sids))
    if draw(st.booleans()):
        owners = np.unique(rng.integers(0, len(sids), len(sids)), return_inverse=True)[1]
    index = ConstraintIndex.build(sids, items=owners)
    share = draw(st.sampled_from([0.0, 0.02, 0.2, 0.7, 1.0]))
    return World(index, sids, owners, rng.random(len(index)) < share, rng)


class World:
    def __init__(self, index, sids, owners, allowed, rng):
        self.index, self.sids, self.owners, self.allowed, self.rng = index, sids, owners, allowed, rng

    def vocabulary(self, more=0):
        return max(self.index.vocab_sizes) + more

    def open_prefixes(self, depth):
        """Sorted prefixes that lead to an allowed item."""
        return sorted({tuple(sid[:depth]) for sid in self.sids[self.allowed[self.owners]].tolist()})

    def scores(self, states, more=0):
        """Distinct random scores, so that orders are unique."""
        size = states * self.vocabulary(more)
        return self.rng.permutation(size).astype(np.float32).reshape(states, self.vocabulary(more)) / max(size, 1)


class MaskerContract:
    """``maskers(world)`` gives one or more maskers under ``world.allowed``."""

    def maskers(self, world):
        raise AssertionError("a subclass makes the maskers")

    @bounded
    @given(worlds())
    def test_what_can_be_reached_is_what_is_allowed(self, world):
        for masker in self.maskers(world):
            nodes, prefixes = np.array([0]), [()]
            for level in range(masker.levels):
                scores = world.scores(len(nodes), more=level % 2)
                state, token, child, kept = masker.step(level, nodes, scores).each()
                assert (kept == scores[state, token]).all()
                prefixes = [(*prefixes[s], t) for s, t in zip(state.tolist(), token.tolist(), strict=True)]
                assert sorted(prefixes) == world.open_prefixes(level + 1)
                assert prefixes == sorted(prefixes), "by state and token"
                nodes = child
            items = masker.items(nodes)
            assert set(items.tolist()) == set(np.flatnonzero(world.allowed).tolist())
            owner = {tuple(sid): o for sid, o in zip(world.sids.tolist(), world.owners.tolist(), strict=True)}
            assert [owner[p] for p in prefixes] == items.tolist()
            assert masker.allowed == world.allowed.sum()

    @bounded
    @given(worlds())
    def test_masking_in_place_leaves_the_same(self, world):
        for masker in self.maskers(world):
            nodes = np.array([0, -1, 0])
            for level in range(masker.levels):
                scores = world.scores(len(nodes), more=2)
                masked, found = scores.copy(), masker.step(level, nodes, scores)
                masker.mask_(level, nodes, masked)
                state, token, child, kept = found.each()
                expected = np.full_like(scores, -np.inf)
                expected[state, token] = kept
                assert (masked == expected).all()
                assert not (nodes[state] < 0).any(), "a closed state has a continuation"
                nodes = np.concatenate([child, [-1]])[-40:]

    @bounded
    @given(worlds())
    def test_following_tokens_leads_to_the_same_nodes(self, world):
        for masker in self.maskers(world):
            nodes = np.array([0])
            for level in range(masker.levels):
                state, token, child, _ = masker.step(level, nodes, world.scores(len(nodes))).each()
                assert (masker.advance(level, nodes[state], token) == child).all()
                tried = np.arange(world.vocabulary() + 1)
                reached = masker.advance(level, nodes[:, None], tried)
                assert (reached >= 0).sum() == len(child)
                assert (masker.advance(level, np.full(3, -1), np.arange(3)) == -1).all()
                nodes = child[:50]

    @bounded
    @given(worlds(), st.integers(1, 400), st.integers(1, 3))
    def test_a_beam_is_the_best_of_all_when_it_is_wide_enough_and_never_dies(self, world, width, requests):
        for masker in self.maskers(world):
            tables = [world.rng.standard_normal(world.vocabulary()).astype(np.float32) for _ in range(masker.levels)]
            nodes, total = np.zeros(requests, dtype=np.int64), np.zeros(requests, dtype=np.float32)
            leaves = len(world.open_prefixes(masker.levels))
            for level, table in enumerate(tables):
                best = masker.step(level, nodes, total[:, None] + table).best(width, requests)
                nodes, total = best.nodes.reshape(-1), best.scores.reshape(-1)
                reachable = len(world.open_prefixes(level + 1))
                assert ((best.nodes >= 0).sum(axis=1) >= min(width, reachable, 1)).all(), "a beam died"
                assert ((best.nodes >= 0) == np.isfinite(best.scores)).all()
                assert (np.diff(np.where(np.isfinite(best.scores), best.scores, -1e9), axis=1) <= 0).all()
            items = masker.items(best.nodes)
            assert world.allowed[items[items >= 0]].all()
            if width >= leaves:
                kept = world.sids[world.allowed[world.owners]]
                exhaustive = sum((t[kept[:, level]] for level, t in enumerate(tables)), np.zeros(len(kept)))
                assert (items >= 0).sum(axis=1).tolist() == [leaves] * requests
                for row in range(requests):
                    assert best.scores[row, :leaves] == pytest.approx(np.sort(exhaustive)[::-1], abs=1e-5)

    def test_shapes_that_do_not_fit_are_refused(self):
        index = ConstraintIndex.build([[0, 4], [2, 3]])
        world = World(index, None, None, np.ones(2, dtype=bool), None)
        for masker in self.maskers(world):
            with pytest.raises(ValueError, match="scores have 2 columns"):
                masker.step(0, [0], np.zeros((1, 2), dtype=np.float32))
            with pytest.raises(ValueError, match="nodes"):
                masker.step(0, [0, 0], np.zeros((1, 5), dtype=np.float32))

    def test_nan_is_refused_when_the_best_are_chosen(self):
        index = ConstraintIndex.build([[0, 4], [2, 3]])
        world = World(index, None, None, np.ones(2, dtype=bool), None)
        for masker in self.maskers(world):
            scores = np.zeros((1, 5), dtype=np.float32)
            scores[0, 2] = np.nan
            with pytest.raises(ValueError, match="NaN"):
                masker.step(0, [0], scores).best(1)
