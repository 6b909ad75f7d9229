"""How well every item fits a request's words, whichever family generates.

The classifier behind it (:mod:`recsys_core.generator.meaning`) is trained beside the compact generator and stored with
it; it reads neither histories nor semantic IDs, so it guides any family's ranking alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import functional

from recsys_core.errors import ReleaseError
from recsys_core.generator.compact import WEIGHTS_FILE, EncodeTexts
from recsys_core.generator.meaning import MeaningTower

Floats = NDArray[np.float32]

PREFIX = "meaning."
"""What the names of the classifier's weights begin with in a compact generator's file."""


class WordFits:
    """Log-probability that items are what words mean.

    Args:
        tower: trained.
        text: float32[n_items, d_text], centred text vectors of the items.
        encode_texts: sentence encoder of instructions.
    """

    def __init__(self, tower: MeaningTower, text: Floats, encode_texts: EncodeTexts) -> None:
        self.tower = tower.eval()
        self.text = torch.from_numpy(np.ascontiguousarray(text))
        self.encode_texts = encode_texts
        with torch.inference_mode():
            self._keys = tower.item_keys(self.text)

    @classmethod
    def load(cls, folder: Path, text: Floats, encode_texts: EncodeTexts) -> WordFits:
        """Open the classifier of a compact generator that :func:`recsys_core.generator.compact.save_model` wrote.

        Raises:
            ReleaseError: the file is missing, damaged, or doesn't fit the catalogue.
        """
        tower = MeaningTower(*text.shape)
        try:
            weights = load_file(folder / WEIGHTS_FILE)
            tower.load_state_dict({n.removeprefix(PREFIX): t for n, t in weights.items() if n.startswith(PREFIX)})
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ReleaseError(f"{folder}: the generator can't be loaded ({error}); run `sidra build` again") from error
        return cls(tower, text, encode_texts)

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.text)

    @torch.inference_mode()
    def __call__(self, instructions: Sequence[str]) -> Floats:
        """Float32[B, n_items]; rows of a blank instruction are 0: anything fits.

        Args:
            instructions: plain words a request; blank means none.
        """
        fitting = torch.zeros(len(instructions), len(self.text))
        spoken = [row for row, words in enumerate(instructions) if words.strip()]
        if spoken:
            sentences = self.encode_texts([instructions[row].strip() for row in spoken])
            asked = torch.from_numpy(np.asarray(sentences, dtype=np.float32))
            fitting[spoken] = functional.logsigmoid(self.tower(asked, self.text, self._keys))
        return np.asarray(fitting.numpy(), dtype=np.float32)
