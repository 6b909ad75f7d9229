"""Which number stands for which word, code and item: a text tokenizer followed by semantic-ID tokens.

Token numbers run: words (the tokenizer's own, then five marks), codes level by level, items. The whole is an ordinary
tokenizer in transformers layout, in which semantic-ID tokens are *special*: somebody who types ``<|i_5|>`` into an
instruction gets the characters, not the item.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from recsys_core.errors import ConfigError, ReleaseError

Ints = NDArray[np.int64]

LAYOUT_FILE = "sidra_lm.json"
"""What a client must know to write prompts, beside the standard files."""

BEGIN, PAD, HISTORY, WORDS, END = MARKS = ("<|begin|>", "<|pad|>", "<|history|>", "<|words|>", "<|end|>")
"""Start of a prompt, padding, start of the history, start of an answer in words, end of an answer in words."""


class TokenLayout(BaseModel):
    """Where each kind of token lies and how long a prompt may be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text_tokens: int
    """Words and marks are 0 to ``text_tokens - 1``."""
    code_sizes: tuple[int, ...]
    """Vocabulary of each level that has codes, in the order of their tokens."""
    n_items: int
    """Items have the last tokens, in the order of the catalogue."""
    hybrid: bool
    """Whether the last level of a semantic ID is the item's own token (then ``code_sizes`` leaves it out)."""
    begin: int
    """Token number of the mark that starts a prompt."""
    pad: int
    """Token number of padding."""
    history: int
    """Token number of the mark before the history."""
    words: int
    """Token number of the mark before an answer in words."""
    end: int
    """Token number of the mark after an answer in words."""
    text_limit: int
    """Longest instruction in tokens."""
    window: int
    """Newest history items that are read."""
    item_head_factor: float = 1.0
    """What item logits at the end of a prompt are multiplied with for a softmax over the whole catalogue."""
    lazy_layers: int = 0
    """Lower layers that see no codes (:mod:`recsys_core.generator.lm.lazy`); above 0 no stock engine can run it."""

    @property
    def levels(self) -> int:
        """Length of a semantic ID."""
        return len(self.code_sizes) + int(self.hybrid)

    @property
    def first_item(self) -> int:
        """Token of item 0."""
        return self.text_tokens + sum(self.code_sizes)

    @property
    def size(self) -> int:
        """Number of tokens."""
        return self.first_item + self.n_items

    def first(self, level: int) -> int:
        """Token of code 0 at a level, or of item 0 at the hybrid layout's last level."""
        return self.text_tokens + sum(self.code_sizes[:level])

    def prompt(self, instruction: Sequence[int], history: Ints) -> list[int]:
        """Token numbers of a request; the answer's first code follows straight after the newest item.

        Args:
            instruction: token numbers of its words.
            history: item indices, newest last.

        Raises:
            IndexError: there is no such item.
        """
        if len(history) and not 0 <= history.min() <= history.max() < self.n_items:
            raise IndexError(
                f"items are 0 to {self.n_items - 1}, the history runs from {history.min()} to {history.max()}"
            )
        items = (self.first_item + history[-self.window :]).tolist()
        return [self.begin, *instruction[: self.text_limit], self.history, *items]


def semantic_tokens(code_sizes: Sequence[int], n_items: int) -> list[str]:
    """Spellings of all semantic-ID tokens, in order."""
    codes = [f"<|s{level}_{code}|>" for level, size in enumerate(code_sizes) for code in range(size)]
    return [*codes, *(f"<|i_{item}|>" for item in range(n_items))]


class LmVocabulary:
    """A tokenizer together with its :class:`TokenLayout`.

    Args:
        tokenizer: with all semantic-ID tokens in it.
        layout: where they lie.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, layout: TokenLayout) -> None:
        self.tokenizer = tokenizer
        self.layout = layout
        # words are never read as special tokens, whoever wrote them
        self._words = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._words.encode_special_tokens = True

    @classmethod
    def extend(
        cls,
        tokenizer: PreTrainedTokenizerFast,
        code_sizes: Sequence[int],
        n_items: int,
        *,
        hybrid: bool,
        window: int,
        text_limit: int,
    ) -> LmVocabulary:
        """Add marks and semantic-ID tokens to a tokenizer for words.

        Raises:
            ConfigError: the tokenizer has such tokens already.
        """
        new = [*MARKS, *semantic_tokens(code_sizes, n_items)]
        before = len(tokenizer)
        if set(new[:6]) & set(tokenizer.get_vocab()):
            raise ConfigError(
                "lm.model.pretrained: its tokenizer holds semantic-ID tokens already; name the original model"
            )
        tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in new], special_tokens=True)
        numbers = dict(zip(MARKS, range(before, before + len(MARKS)), strict=True))
        tokenizer.pad_token, tokenizer.bos_token, tokenizer.eos_token = PAD, BEGIN, END
        layout = TokenLayout(
            text_tokens=before + len(MARKS),
            code_sizes=tuple(code_sizes),
            n_items=n_items,
            hybrid=hybrid,
            begin=numbers[BEGIN],
            pad=numbers[PAD],
            history=numbers[HISTORY],
            words=numbers[WORDS],
            end=numbers[END],
            text_limit=text_limit,
            window=window,
        )
        return cls(tokenizer, layout)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of words, cut to ``text_limit``."""
        encodings = self._words.encode_batch([t.strip() for t in texts], add_special_tokens=False)
        return [e.ids[: self.layout.text_limit] for e in encodings]

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``, ``tokenizer_config.json`` and the layout."""
        self.tokenizer.save_pretrained(folder)
        path = folder / "tokenizer_config.json"
        settings = json.loads(path.read_text(encoding="utf-8"))
        if settings.get("tokenizer_class") == "TokenizersBackend":
            # the name that every version of transformers knows
            settings["tokenizer_class"] = "PreTrainedTokenizerFast"
            path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / LAYOUT_FILE).write_text(self.layout.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> LmVocabulary:
        """Open what :meth:`save` wrote.

        Raises:
            ReleaseError: a file is missing or damaged.
        """
        try:
            layout = TokenLayout.model_validate_json((folder / LAYOUT_FILE).read_text(encoding="utf-8"))
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ReleaseError(
                f"{folder}: the vocabulary can't be loaded ({error}); run `sidra build` again"
            ) from error
        if len(tokenizer) != layout.size:
            raise ReleaseError(
                f"{folder}: the tokenizer has {len(tokenizer)} tokens, {LAYOUT_FILE} speaks of {layout.size}; "
                "run `sidra build` again"
            )
        return cls(tokenizer, layout)


def word_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """A small byte-level BPE (Sennrich et al., 2016) that knows the words of one catalogue; case is folded.

    Args:
        texts: instructions, titles, attribute values.
        size: at most so many tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    wrapped: Any = PreTrainedTokenizerFast
    fast: PreTrainedTokenizerFast = wrapped(tokenizer_object=tokenizer)
    return fast


def pretrained_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a pretrained model.

    Args:
        name: folder or hub name.

    Raises:
        ConfigError: it can't be loaded, or isn't a fast tokenizer.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"lm.model.pretrained={name!r}: its tokenizer can't be loaded ({error}); name a folder in "
            "transformers layout, or fetch the model first"
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ConfigError(f"lm.model.pretrained={name!r}: it has no tokenizer.json; choose another model")
    return tokenizer
