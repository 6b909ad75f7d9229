"""Labelled texts: GoEmotions mapped to six emotions, and the set `emotion6`.

The mapping of GoEmotions' 28 labels follows the Ekman grouping of its authors (Demszky et al., 2020), with two changes
that the six classes ask for: disgust counts as anger, and love, caring and desire are taken out of joy as love (Shaver
et al., 1987). Neutral is none of the six.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys_core.emotion.classes import EMOTIONS
from recsys_core.errors import DataError

MAPPING = (
    "Ekman grouping of Demszky et al. (2020); disgust to anger; love, caring, desire to love (Shaver et al., 1987)"
)
LICENCE = "GoEmotions (google-research), CC BY 4.0"
SPLITS = ("train", "dev", "test")
NONE = len(EMOTIONS)
"""Column of `no emotion` in training targets."""

_GROUPS = {
    "anger": "anger annoyance disapproval disgust",
    "fear": "fear nervousness",
    "joy": "admiration amusement approval excitement gratitude joy optimism pride relief",
    "love": "caring desire love",
    "sadness": "disappointment embarrassment grief remorse sadness",
    "surprise": "confusion curiosity realization surprise",
}
_COLUMN = {label: EMOTIONS.index(emotion) for emotion, labels in _GROUPS.items() for label in labels.split()}
_COLUMN["neutral"] = NONE
_HUB_SET = ("google-research-datasets/go_emotions", "simplified")
_HUB_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


class Labelled(NamedTuple):
    """Texts with what they express.

    Attributes:
        texts: n texts.
        targets: ``float32[n, 7]``; several labels of one text share its weight; the last column is no emotion.
    """

    texts: list[str]
    targets: NDArray[np.float32]

    def single(self) -> tuple[list[str], NDArray[np.int64]]:
        """Texts with exactly one of the six emotions, and its column."""
        kept = np.flatnonzero((self.targets.max(axis=1) == 1.0) & (self.targets[:, NONE] == 0.0))
        return [self.texts[row] for row in kept], self.targets[kept].argmax(axis=1)


def goemotions(source: str, split: str) -> Labelled:
    """One split of GoEmotions.

    Args:
        source: folder with ``train.tsv.gz``, ``dev.tsv.gz``, ``test.tsv.gz`` and ``labels.txt``, or ``hub`` for the
            Hugging Face hub (needs the package `datasets` and a network).
        split: ``train``, ``dev`` or ``test``.

    Raises:
        DataError: a file is missing or a line can't be read.
    """
    if source == "hub":
        return _from_hub(split)
    folder = Path(source).expanduser()
    names = _lines(folder / "labels.txt", "GoEmotions' 28 labels, one a line")
    texts, targets = [], []
    for number, fields in enumerate(_rows(folder / f"{split}.tsv.gz"), 1):
        try:
            labels = [names[int(index)] for index in fields[1].split(",")]
            targets.append(_target(labels))
        except (IndexError, ValueError, KeyError) as error:
            raise DataError(
                f"{folder / f'{split}.tsv.gz'}, line {number}: expected text, tab, label numbers with commas; {error}"
            ) from error
        texts.append(fields[0])
    return Labelled(texts, np.stack(targets) if targets else np.empty((0, NONE + 1), dtype=np.float32))


def emotion6(folder: Path, split: str = "val") -> tuple[list[str], NDArray[np.int64]]:
    """The set of CARER (`dair-ai/emotion`): texts and the column of their emotion.

    Raises:
        DataError: the file is missing or a line can't be read.
    """
    path = folder.expanduser() / f"{split}.txt.gz"
    texts, columns = [], []
    for number, line in enumerate(_lines(path, "lines `text;emotion`")[1:], 2):
        text, _, emotion = line.rpartition(";")
        if emotion not in EMOTIONS:
            raise DataError(f"{path}, line {number}: {emotion!r} is none of {', '.join(EMOTIONS)}")
        texts.append(text)
        columns.append(EMOTIONS.index(emotion))
    return texts, np.array(columns, dtype=np.int64)


def _target(labels: list[str]) -> NDArray[np.float32]:
    columns = {_COLUMN[label] for label in labels}
    target = np.zeros(NONE + 1, dtype=np.float32)
    target[list(columns)] = 1.0 / len(columns)
    return target


def _rows(path: Path) -> Iterator[list[str]]:
    text = "\n".join(_lines(path, "GoEmotions, tab-separated"))
    yield from csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)


def _lines(path: Path, holds: str) -> list[str]:
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return raw.decode("utf-8").splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} can't be read ({error}); it should hold {holds} (docs/calm.md says where from)"
        ) from error


def _from_hub(split: str) -> Labelled:
    try:
        datasets: Any = import_module("datasets")
    except ModuleNotFoundError as error:
        raise DataError(
            "reading GoEmotions from the hub needs the package `datasets` (pip install datasets); or name a folder: "
            "--data FOLDER"
        ) from error
    try:
        loaded = datasets.load_dataset(*_HUB_SET, split=_HUB_SPLITS[split])
    except (OSError, ValueError) as error:
        raise DataError(
            f"the hub's set {_HUB_SET[0]} can't be loaded ({error}); name a folder: --data FOLDER"
        ) from error
    names: list[str] = loaded.features["labels"].feature.names
    targets = [_target([names[index] for index in row]) for row in loaded["labels"]]
    return Labelled(list(loaded["text"]), np.stack(targets))
