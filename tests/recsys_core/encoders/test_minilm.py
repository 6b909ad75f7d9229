"""The written-out forward pass against the library."""

import json
import shutil

import numpy as np
import pytest
import sentence_transformers

from recsys_core.encoders.minilm import SentenceModel
from recsys_core.encoders.text import MODEL_PACKAGE, TextEncoder, TextEncoderConfig, model_folder
from recsys_core.errors import ConfigError

TEXTS = [
    "light-hearted French films from the 1990s",
    "",
    "something like Fargo but funnier",
    "фильм о любви 🎬 \u202eשלום",
    "NUL \x00 byte",
    "a very long story " * 200,
    "x" * 5000,
    "A 1996 crime thriller from the United States, directed by Joel Coen.",
]


@pytest.fixture(scope="module")
def reference():
    return sentence_transformers.SentenceTransformer(
        str(model_folder(MODEL_PACKAGE)), device="cpu", local_files_only=True
    )


def test_equals_sentence_transformers_alone_and_in_padded_batches(reference):
    expected = reference.encode(TEXTS, show_progress_bar=False)
    encoder = TextEncoder()
    together = encoder.encode_texts(TEXTS)
    alone = np.concatenate([TextEncoder.encode_texts(encoder, [text]) for text in TEXTS])
    np.testing.assert_allclose(together, expected, atol=1e-5)
    np.testing.assert_allclose(alone, expected, atol=1e-5)


def test_one_sentence_without_the_memory(reference):
    model = SentenceModel(model_folder(MODEL_PACKAGE))
    for text in TEXTS:
        vector = model.embed(model.tokenize([text])).numpy()
        np.testing.assert_allclose(vector, reference.encode([text], show_progress_bar=False), atol=1e-5)


def test_a_damaged_or_foreign_model_folder_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    with pytest.raises(ConfigError, match="no usable sentence model"):
        SentenceModel(tmp_path)


@pytest.fixture
def other_pooling(tmp_path):
    """The same weights with first-token pooling, which the fast path doesn't know."""
    folder = tmp_path / "cls"
    shutil.copytree(model_folder(MODEL_PACKAGE), folder)
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    pooling |= {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    return folder


def test_another_kind_of_model_goes_through_the_library(other_pooling):
    with pytest.raises(ConfigError, match="mean pooling"):
        SentenceModel(other_pooling)
    library = sentence_transformers.SentenceTransformer(str(other_pooling), device="cpu", local_files_only=True)
    vectors = TextEncoder(TextEncoderConfig(model=str(other_pooling))).encode_texts(TEXTS[:3])
    np.testing.assert_allclose(vectors, library.encode(TEXTS[:3], show_progress_bar=False), atol=1e-5)


def test_short_and_long_lists_agree():
    many = [f"film number {n} about {TEXTS[n % 5]}" for n in range(70)]
    encoder = TextEncoder()
    long = encoder.encode_texts(many)
    short = np.concatenate([encoder.encode_texts(many[:35]), encoder.encode_texts(many[35:])])
    np.testing.assert_allclose(long, short, atol=1e-5)
