"""Other ways to mask, in their plain form: oracles of the tests and what the benchmark compares with."""

from recsys_core.constraints.reference.dict_trie import DictTrie
from recsys_core.constraints.reference.hash_bitmap import HashBitmap
from recsys_core.constraints.reference.protocol import MaskerByPrefix, PrefixMasker
from recsys_core.constraints.reference.sorted_array import SortedArray, SortedArrayTopK

__all__ = ["DictTrie", "HashBitmap", "MaskerByPrefix", "PrefixMasker", "SortedArray", "SortedArrayTopK"]
