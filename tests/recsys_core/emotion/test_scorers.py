"""The shipped classifier and the word list: plain cases, bad input, memory, damaged weights."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from recsys_core.emotion import EMOTIONS, EmotionClassifier, LexiconScorer, stimulus
from recsys_core.emotion.data import emotion6, goemotions
from recsys_core.emotion.scores import f1_scores, macro_f1
from recsys_core.emotion.train import EmotionTrainConfig, save_emotion, train_emotion
from recsys_core.errors import ConfigError, DataError

PLAIN = {
    "anger": "This makes me so angry, what an outrageous insult!",
    "fear": "I am terrified and afraid of what is coming.",
    "joy": "What a wonderful happy day, thank you, great job!",
    "love": "I love you with all my heart, darling.",
    "sadness": "I am so sad and lonely since she died.",
    "surprise": "Wow, I am really surprised, I did not expect that?",
}
ODD = ["", "   ", "\ud800", "12 34", "x" * 100_000, "<b>!</b>", "株価が急落"]


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier.load()


@pytest.mark.parametrize("make", [EmotionClassifier.load, LexiconScorer])
def test_plain_feelings_are_named(make):
    named = make().probabilities(list(PLAIN.values())).argmax(axis=1)
    assert [EMOTIONS[column] for column in named] == list(PLAIN)


@pytest.mark.parametrize("make", [EmotionClassifier.load, LexiconScorer])
def test_anything_is_scored_and_rows_sum_to_at_most_one(make):
    shares = make().probabilities([*ODD, *PLAIN.values()])
    assert shares.shape == (len(ODD) + 6, 6)
    assert shares.dtype == np.float32
    assert (shares >= 0).all()
    assert (shares.sum(axis=1) <= 1 + 1e-5).all()
    assert (shares[:2] == 0).all()
    assert make().probabilities([]).shape == (0, 6)


@pytest.mark.parametrize("make", [EmotionClassifier.load, LexiconScorer])
def test_calm_wording_has_less_stimulus(make):
    loud, calm = stimulus(
        make().probabilities(["Furious fans slam the shocking, outrageous plan!", "Fans criticise the plan."])
    )
    assert calm < loud - 0.2


def test_a_row_depends_on_its_text_alone_and_is_remembered(classifier, monkeypatch):
    together = classifier.probabilities([*PLAIN.values(), "a much longer text " * 30])
    alone = EmotionClassifier(classifier.card, dict(classifier.weights)).probabilities(list(PLAIN.values())[:1])
    assert together[:1] == pytest.approx(alone, abs=1e-4)
    monkeypatch.setattr(classifier, "_compute", lambda texts: pytest.fail("computed again"))
    assert classifier.probabilities(list(PLAIN.values())) == pytest.approx(together[:6])


def test_a_negation_takes_the_sting_out_of_the_word_list():
    scorer = LexiconScorer()
    plain, negated = scorer.probabilities(["they are angry", "they are not angry"])
    assert negated[0] < 0.5 * plain[0]


def test_the_card_tells_command_licence_and_scores_and_the_weights_are_small(classifier):
    card = classifier.card
    assert card.command.startswith("sidra train-emotion --data")
    assert "CC BY 4.0" in card.data_licence
    assert card.scores["macro_f1"] > 0.6
    weights = Path(str(files("recsys_core.emotion"))) / "weights" / "head.safetensors"
    assert weights.stat().st_size < 2_000_000


@pytest.mark.parametrize("damage", ["cut", "missing", "shape"])
def test_damaged_weights_say_what_to_do(damage, tmp_path, classifier):
    source = Path(str(files("recsys_core.emotion"))) / "weights"
    folder = shutil.copytree(source, tmp_path / "weights")
    if damage == "cut":
        path = folder / "head.safetensors"
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "missing":
        (folder / "card.json").unlink()
    else:
        save_emotion(EmotionClassifier(classifier.card, {**classifier.weights, "b2": np.zeros(3)}), folder)
    with pytest.raises(ConfigError, match="sidra train-emotion"):
        EmotionClassifier.load(folder)


def write_goemotions(folder, per_label=6):
    import gzip

    labels = ["anger", "fear", "joy", "love", "sadness", "surprise", "neutral"]
    (folder / "labels.txt").write_text("\n".join(labels))
    texts = [*PLAIN.values(), "The bus leaves at nine."]
    rows = [f"{text} {n}\t{index}\tid{n}" for n in range(per_label) for index, text in enumerate(texts)]
    for split in ("train", "dev", "test"):
        (folder / f"{split}.tsv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    return folder


def test_training_learns_saves_and_loads_the_same(tmp_path):
    train = goemotions(str(write_goemotions(tmp_path)), "train")
    config = EmotionTrainConfig(layers=[1], hidden=16, epochs=40, batch=16)
    made = train_emotion(train, train, config, seed=3, command="sidra train-emotion --data x --seed 3")
    save_emotion(made, tmp_path / "out")
    loaded = EmotionClassifier.load(tmp_path / "out")
    texts, truth = train.single()
    assert macro_f1(truth, np.array([EMOTIONS.index(name) for name in loaded.emotions(texts)])).value > 0.95
    assert loaded.probabilities(texts[:9]) == pytest.approx(made.probabilities(texts[:9]), abs=1e-5)
    assert stimulus(loaded.probabilities(["The bus leaves at nine. 3"]))[0] < 0.3
    assert json.loads((tmp_path / "out" / "card.json").read_text())["seed"] == 3


def test_labels_become_six_and_mixed_ones_are_not_single(tmp_path):
    import gzip

    (tmp_path / "labels.txt").write_text("disgust\ncaring\nneutral\njoy")
    (tmp_path / "test.tsv.gz").write_bytes(gzip.compress(b"ew\t0\ta\nhug\t1\tb\nbus\t2\tc\nboth\t0,3\td"))
    data = goemotions(str(tmp_path), "test")
    texts, truth = data.single()
    assert texts == ["ew", "hug"]
    assert [EMOTIONS[column] for column in truth] == ["anger", "love"]
    assert data.targets[3].tolist() == [0.5, 0, 0.5, 0, 0, 0, 0]


def test_bad_data_names_file_and_line(tmp_path):
    import gzip

    with pytest.raises(DataError, match=r"labels\.txt"):
        goemotions(str(tmp_path), "test")
    (tmp_path / "labels.txt").write_text("joy")
    (tmp_path / "test.tsv.gz").write_bytes(gzip.compress(b"fine\t0\ta\nbroken\t7\tb"))
    with pytest.raises(DataError, match=r"test\.tsv\.gz, line 2"):
        goemotions(str(tmp_path), "test")
    (tmp_path / "val.txt.gz").write_bytes(gzip.compress(b"text;label_name\nfine;joy\nbad;glee"))
    with pytest.raises(DataError, match="line 3: 'glee'"):
        emotion6(tmp_path)


def test_macro_f1_by_hand():
    truth, named = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2, 0])
    assert f1_scores(truth, named)[:3] == pytest.approx([0.5, 2 / 3, 0.8])
    interval = macro_f1(truth, named, resamples=200)
    assert interval.value == pytest.approx((0.5 + 2 / 3 + 0.8) / 6)
    assert interval.low <= interval.value <= interval.high
