"""Every baseline, and the masker itself, keeps the same contract."""

import numpy as np
import pytest
import torch

from recsys_core.constraints import ConstraintIndex
from recsys_core.constraints.masking import Masker
from recsys_core.constraints.reference import DictTrie, HashBitmap, MaskerByPrefix, SortedArray, SortedArrayTopK
from recsys_core.constraints.reference.grammar import Grammar, grammar_text
from recsys_core.constraints.reference.padded_csr import PaddedCsr
from recsys_core.constraints.reference.prefix_function import PrefixFunction, prefix_allowed_tokens_fn
from recsys_core.errors import BuildError
from tests.contracts.prefix_masker import PrefixMaskerContract


class TestMaskerByPrefix(PrefixMaskerContract):
    def build(self, sids):
        # repeated rows belong to one item here
        items = np.unique(sids, axis=0, return_inverse=True)[1] if np.size(sids) and np.ndim(sids) == 2 else None
        index = ConstraintIndex.build(sids, items=items)
        return MaskerByPrefix(Masker(index.arrays, len(index)))


class TestDictTrie(PrefixMaskerContract):
    build = DictTrie

    def test_nothing_follows_what_does_not_exist(self):
        trie = DictTrie([[1, 2], [1, 3]])
        assert trie.allowed([7]) == []
        assert sorted(trie.allowed([1])) == [2, 3]


class TestGrammar(PrefixMaskerContract):
    """Only where xgrammar is installed."""

    def build(self, sids):
        pytest.importorskip("xgrammar")
        return Grammar(sids, 310)


class TestSortedArray(PrefixMaskerContract):
    build = SortedArray


class TestSortedArrayTopK(PrefixMaskerContract):
    complete = False

    def build(self, sids):
        return SortedArrayTopK(sids, tokens=40)

    def test_with_all_tokens_it_is_exact(self):
        sids = np.random.default_rng(0).integers(0, 300, (50, 2))
        scores = np.random.default_rng(1).random((1, 310)).astype(np.float32)
        exact = SortedArray(sids).mask(np.empty((1, 0), dtype=int), scores)
        assert (SortedArrayTopK(sids, 310).mask(np.empty((1, 0), dtype=int), scores) == exact).all()
        assert (SortedArrayTopK(sids, 5).mask(np.empty((1, 0), dtype=int), scores) > -np.inf).sum() <= 5


class TestHashBitmap(PrefixMaskerContract):
    sound = False

    def build(self, sids):
        return HashBitmap(sids, bits=20)

    def test_it_is_wrong_about_as_often_as_its_bits_are_set(self):
        rng = np.random.default_rng(0)
        bitmap = HashBitmap(rng.integers(0, 1000, (3_000, 3)), bits=14)
        scores = np.zeros((20, 1000), dtype=np.float32)
        opened = bitmap.mask(rng.integers(2_000, 3_000, (20, 2)), scores) > -np.inf
        assert opened.mean() == pytest.approx(bitmap.load, abs=0.03)
        assert 0.2 < bitmap.load < 0.5


class TestPrefixFunction(PrefixMaskerContract):
    build = PrefixFunction

    def test_the_function_skips_the_prompt(self):
        allowed = prefix_allowed_tokens_fn(DictTrie([[1, 2], [1, 3]]), prompt=2)
        assert sorted(allowed(0, torch.tensor([9, 9, 1]))) == [2, 3]


class TestPaddedCsr(PrefixMaskerContract):
    dense = 1

    def build(self, sids):
        table = np.asarray(sids)
        unique = np.unique(table, axis=0) if table.ndim == 2 and table.size else sids
        return PaddedCsr(unique, 310, min(self.dense, np.shape(unique)[-1]))

    def test_a_step_gives_the_fan_out_of_the_level_whatever_the_states(self):
        csr = PaddedCsr([[0, 1], [0, 2], [0, 5], [3, 7]], 8, dense_levels=0)
        scores, tokens, states = csr.step(1, csr.states([[0], [3]]), torch.zeros(2, 8))
        assert scores.tolist() == [[0, 0, 0], [0, -torch.inf, -torch.inf]]
        assert tokens[0].tolist() == [1, 2, 5]
        assert states.tolist() == [[3, 4, 5], [6, 0, 0]]

    def test_other_numbers_of_dense_levels_are_refused(self):
        for dense in (-1, 3):
            with pytest.raises(BuildError, match="dense_levels"):
                PaddedCsr([[0, 1, 2, 3]], 8, dense_levels=dense)


class TestPaddedCsrOfEdgesAlone(TestPaddedCsr):
    dense = 0


class TestPaddedCsrOfTwoDenseLevels(TestPaddedCsr):
    dense = 2


def test_a_grammar_has_a_rule_for_every_prefix():
    text = grammar_text([[0, 1], [2, 0], [0, 3], [0, 1]])
    a, b, c, d = (chr(0x4E00 + token) for token in range(4))
    assert text.splitlines() == [f'root ::= "{a}" n1 | "{c}" n2', f'n1 ::= "{b}" | "{d}"', f'n2 ::= "{a}"']
