"""The written-out forward pass against the library it replaces."""

import numpy as np
import pytest

from recsys_core.encoders.minilm import SentenceModel
from recsys_core.encoders.text import MODEL_PACKAGE, TextEncoder, model_folder
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
    sentence_transformers = pytest.importorskip("sentence_transformers")
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


def test_another_architecture_is_refused_with_what_is_supported(tmp_path):
    import shutil

    source = model_folder(MODEL_PACKAGE)
    for name in ("config.json", "sentence_bert_config.json", "modules.json"):
        shutil.copy(source / name, tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    pooling = (source / "1_Pooling" / "config.json").read_text(encoding="utf-8")
    (tmp_path / "1_Pooling" / "config.json").write_text(
        pooling.replace('"pooling_mode_mean_tokens": true', '"pooling_mode_mean_tokens": false'), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="mean pooling"):
        SentenceModel(tmp_path)
