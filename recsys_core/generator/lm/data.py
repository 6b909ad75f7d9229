"""Training data of the ``lm`` generator: instructions, conditions and targets of ``compact``, as token documents.

Beside them come documents that tie items to words, whoever asks: a wording to an item that fits it, a title to its
item, an item to its title or to an attribute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.catalog.items import FieldKind
from recsys_core.catalog.splits import Split
from recsys_core.generator.data import PLAIN, Batch, InstructionSampler, Ints, Sequences, epoch_batches
from recsys_core.generator.lm.config import LmConfig, LmTrainConfig
from recsys_core.generator.lm.documents import Document, answer_document, meaning_document, words_document
from recsys_core.generator.lm.layout import TokenLayout
from recsys_core.generator.lm.vocabulary import LmVocabulary, pretrained_tokenizer, word_tokenizer
from recsys_core.generator.prepare import prepare_sampler

Tokens = list[list[int]]


@dataclass(frozen=True)
class LmData:
    """All that training reads.

    Attributes:
        sequences: each user's items before the last two.
        values: float32[n], rating or count of each of those interactions.
        sampler: chooses instructions.
        wordings: token numbers of every instruction, in the order of the sampler's rows.
        item_texts: token numbers of each item's title and text.
        item_names: per item, what it may be asked to be called: its title, its attribute values.
        top_attribute: int64[n_items], a broad class of each item; -1 = unknown.
        validation_histories: item indices per validated user, newest last.
        validation_targets: int64[n_validated].
    """

    sequences: Sequences
    values: NDArray[np.float32]
    sampler: InstructionSampler
    wordings: Tokens
    item_texts: Tokens
    item_names: list[Tokens]
    top_attribute: Ints
    validation_histories: list[Ints]
    validation_targets: Ints

    def words_of_items(self) -> Tokens:
        """Everything that is said of each item."""
        return [
            [*text, *(token for name in names for token in name)]
            for text, names in zip(self.item_texts, self.item_names, strict=True)
        ]


@dataclass(frozen=True)
class Prepared:
    """A vocabulary and the data in its tokens."""

    vocabulary: LmVocabulary
    data: LmData


def prepare(
    catalogue: Catalogue,
    split: Split,
    content: NDArray[np.float32],
    sids: NDArray[np.int32],
    config: LmConfig,
    *,
    hybrid: bool,
    seed: int,
    validate_users: int,
) -> Prepared:
    """Build the instruction bank, a vocabulary, and collect histories.

    Args:
        catalogue: the items.
        split: leave-last-out; only training items and validation targets are read.
        content: float32[n_items, d], unit rows, for items near one another.
        sids: int32[n_items, L].
        config: shape of the model.
        hybrid: whether the last level is the item's own token.
        seed: of pairs and of the choice of validated users.
        validate_users: how many users to validate on at most.

    Raises:
        ConfigError: the pretrained tokenizer can't be loaded or extended.
    """
    bank = prepare_sampler(catalogue, split, content, seed=seed)
    texts = [
        f"{title}. {text}" if text else title for title, text in zip(catalogue.titles, catalogue.texts, strict=True)
    ]
    names = item_names(catalogue)
    vocabulary = make_vocabulary(
        config, sids, hybrid=hybrid, texts=[*bank.wordings, *texts, *(n for own in names for n in own)]
    )
    chosen = np.arange(len(split.users))
    if len(chosen) > validate_users:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, size=validate_users, replace=False))
    flat = vocabulary.encode([name for own in names for name in own])
    ends = np.cumsum([len(own) for own in names])
    data = LmData(
        sequences=Sequences(split.train_offsets, split.train_items, split.log.timestamps[split.train_rows]),
        values=split.log.values[split.train_rows],
        sampler=bank.sampler,
        wordings=vocabulary.encode(bank.wordings),
        item_texts=vocabulary.encode(texts),
        item_names=[flat[end - len(own) : end] for own, end in zip(names, ends.tolist(), strict=True)],
        top_attribute=bank.top_attribute,
        validation_histories=[split.validation_history(int(u)) for u in split.users[chosen]],
        validation_targets=split.validation_items[chosen],
    )
    return Prepared(vocabulary, data)


def make_vocabulary(config: LmConfig, sids: NDArray[np.int32], *, hybrid: bool, texts: Sequence[str]) -> LmVocabulary:
    """The vocabulary of a catalogue: words learned from ``texts``, or those of the pretrained model."""
    tables = sids.shape[1] - int(hybrid)
    sizes = [int(sids[:, level].max()) + 1 for level in range(tables)]
    if config.pretrained:
        tokenizer = pretrained_tokenizer(config.pretrained)
    else:
        tokenizer = word_tokenizer(texts, config.text_tokens)
    vocabulary = LmVocabulary.extend(
        tokenizer, sizes, len(sids), hybrid=hybrid, window=config.window, text_limit=config.text_limit
    )
    layout = vocabulary.layout.model_copy(update={"lazy_layers": config.lazy_layers})
    return LmVocabulary(vocabulary.tokenizer, layout)


def item_names(catalogue: Catalogue) -> list[list[str]]:
    """What each item can be called in words: its title, then its tags and strings."""
    names = [[title] for title in catalogue.titles]
    for name, spec in catalogue.fields.items():
        if spec.kind in (FieldKind.tags, FieldKind.string):
            postings = catalogue.postings(name)
            for folded, rows in postings.rows.items():
                for row in rows:
                    names[row].append(postings.spellings[folded][0])
    return names


def epoch_documents(
    data: LmData,
    layout: TokenLayout,
    sids: Ints,
    config: LmTrainConfig,
    rng: np.random.Generator,
) -> Iterator[list[Document]]:
    """One epoch's batches of documents, shuffled, with about ``batch_positions`` targets each.

    Args:
        data: histories and instructions.
        layout: of the tokens.
        sids: int64[n_items, L].
        config: shares and sizes.
        rng: decides everything.
    """
    for batch, weights in _batches(data, layout, config, rng):
        documents = _documents(_silenced(batch, data, config.silent_share, rng), weights, data, layout, sids)
        expected = len(documents) * config.alignment_share / (1 - config.alignment_share)
        aligned = _aligned(int(expected + rng.random()), data, layout, sids, config.alignment_items, rng)
        documents += _weighed(aligned, config.alignment_weight * sum(float(d.weights.sum()) for d in documents))
        if documents:
            yield documents


def _batches(
    data: LmData, layout: TokenLayout, config: LmTrainConfig, rng: np.random.Generator
) -> Iterator[tuple[Batch, NDArray[np.float32] | None]]:
    if config.value_weight == 0:
        for batch in _pieces(data, data.sequences, layout, config, rng):
            yield batch, None
        return
    # user by user, since a weight belongs to a user's own value of an item
    mean = max(float(data.values.clip(min=0).mean()), 1e-6)
    sequences, waiting, count = data.sequences, [], 0
    bounds = list(zip(sequences.offsets[:-1].tolist(), sequences.offsets[1:].tolist(), strict=True))
    for user in rng.permutation(len(bounds)).tolist():
        span = slice(*bounds[user])
        items, values = sequences.items[span], data.values[span]
        own = Sequences(np.array([0, len(items)], dtype=np.int64), items, sequences.timestamps[span])
        weight_of = np.zeros(layout.n_items, dtype=np.float32)
        weight_of[items] = (values.clip(min=0) / mean) ** config.value_weight
        for batch in _pieces(data, own, layout, config, rng):
            waiting.append((batch, weight_of[batch.targets.clip(min=0)]))
            count += int((batch.targets >= 0).sum())
        if count >= config.batch_positions:
            yield _joined(waiting)
            waiting, count = [], 0
    if waiting:
        yield _joined(waiting)


def _pieces(
    data: LmData, sequences: Sequences, layout: TokenLayout, config: LmTrainConfig, rng: np.random.Generator
) -> Iterator[Batch]:
    return epoch_batches(
        sequences,
        data.sampler,
        data.top_attribute,
        window=layout.window,
        batch_positions=config.batch_positions,
        instruction_share=config.instruction_share,
        rng=rng,
    )


def _joined(parts: list[tuple[Batch, NDArray[np.float32]]]) -> tuple[Batch, NDArray[np.float32]]:
    longest = max(batch.targets.shape[1] for batch, _ in parts)

    def stacked(arrays: list[Ints], width: int, fill: int) -> Ints:
        padded = [np.pad(a, ((0, 0), (0, width - a.shape[1])), constant_values=fill) for a in arrays]
        return np.concatenate(padded)

    batch = Batch(
        history=stacked([b.history for b, _ in parts], longest - 1, -1),
        instruction=np.concatenate([b.instruction for b, _ in parts]),
        own_text=np.concatenate([b.own_text for b, _ in parts]),
        targets=stacked([b.targets for b, _ in parts], longest, -1),
        conditioned=np.concatenate([b.conditioned for b, _ in parts]),
    )
    weights = [np.pad(w, ((0, 0), (0, longest - w.shape[1]))) for _, w in parts]
    return batch, np.concatenate(weights)


def _silenced(batch: Batch, data: LmData, share: float, rng: np.random.Generator) -> Batch:
    """The batch with the words of some plain requests left out.

    A prompt without words looks quite unlike one with words to a language model, and must not be the rare case.
    """
    plain = np.isin(batch.instruction, data.sampler.for_you_rows)
    quiet = plain & (rng.random(len(plain)) < share)
    return batch._replace(instruction=np.where(quiet, PLAIN, batch.instruction))


def _documents(
    batch: Batch, weights: NDArray[np.float32] | None, data: LmData, layout: TokenLayout, sids: Ints
) -> list[Document]:
    documents = []
    for row, targets in enumerate(batch.targets):
        if not (targets >= 0).any():
            continue
        history = batch.history[row]
        length = int((history >= 0).sum())
        instruction: list[int] = []
        if batch.own_text[row] >= 0:
            instruction = data.item_texts[batch.own_text[row]]
        elif batch.instruction[row] >= 0:
            instruction = data.wordings[batch.instruction[row]]
        own = None if weights is None else weights[row, : length + 1]
        documents.append(answer_document(layout, sids, instruction, history[:length], targets[: length + 1], own))
    return documents


def _weighed(documents: list[Document], total: float) -> list[Document]:
    """The documents with weights that add up to ``total``."""
    own = sum(float(d.weights.sum()) for d in documents)
    factor = np.float32(total / own) if own > 0 else np.float32(1)
    return [d._replace(weights=d.weights * factor) for d in documents]


def _aligned(
    count: int, data: LmData, layout: TokenLayout, sids: Ints, most: int, rng: np.random.Generator
) -> list[Document]:
    """Documents without a user: half ask in words for items that fit them, the rest are about one item's names."""
    if count == 0:
        return []
    rows, means = data.sampler.grounding(count - count // 2, rng)
    documents = []
    for row, mask in zip(rows.tolist(), means, strict=True):
        fitting = np.flatnonzero(mask)
        if len(fitting):
            some = rng.choice(fitting, size=min(most, len(fitting)), replace=False)
            documents.append(meaning_document(layout, sids, data.wordings[row], some))
    for _ in range(count - len(documents)):
        item = int(rng.integers(layout.n_items))
        names = data.item_names[item]
        if rng.random() < 0.5:
            documents.append(meaning_document(layout, sids, names[0], np.array([item])))
        else:
            documents.append(words_document(layout, item, names[int(rng.integers(len(names)))]))
    return documents
