"""A trained policy as a folder, and as something that writes profiles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from recsys_core.durable import sync_file, write_json
from recsys_core.errors import ConfigError
from recsys_core.profiles import MAX_TOKENS, HistoryFacts, fitted
from recsys_core.rewards.policy.config import PolicyConfig, TrainProfileConfig
from recsys_core.rewards.policy.grammar import Grammar
from recsys_core.rewards.policy.model import ProfilePolicy
from recsys_core.rewards.policy.sampling import sample
from recsys_core.rewards.policy.slots import Slot, Words, sheet, slots_of

KIND = "sidra-profile-policy"
"""What ``config.json`` says it is."""
_BATCH = 256


class WriterConfig(BaseModel):
    """``config.json`` of a trained writer."""

    model_config = ConfigDict(extra="forbid")

    kind: str = KIND
    """Tells such a folder from a language model's."""
    version: int = 1
    """Goes up when older folders can no longer be read."""
    policy: PolicyConfig
    """Shape."""
    grammar: Grammar
    """Phrases and groups."""
    words: list[str]
    """Names that have a vector of their own, in order."""


class TrainingRecord(BaseModel):
    """``record.json``: how a writer came about."""

    model_config = ConfigDict(extra="forbid")

    command: str = ""
    """The command line, without its folders."""
    commit: str = ""
    """Of the code."""
    date: str = ""
    """UTC."""
    release: str = ""
    """Whose catalogue and histories."""
    judge: str
    """What scored."""
    seed: int
    """Of everything random."""
    data_hash: str
    """Of all that was read."""
    config: TrainProfileConfig
    """Settings in force."""
    figures: dict[str, float] = Field(default_factory=dict)
    """What was measured (docs/profile-training.md)."""
    curve: list[dict[str, float]] = Field(default_factory=list)
    """One entry a batch; those where held-out users were measured have ``held_out_*`` too."""
    train_users: list[str] = Field(default_factory=list)
    """Ids of the users that rewards came from: whoever measures this writer leaves them out."""
    held_out_users: list[str] = Field(default_factory=list)
    """Ids of the users that were only measured."""


class TrainedWriter:
    """Writes profiles; safe to share between threads, since nothing in it changes.

    Args:
        policy: trained.
        grammar: its phrases.
        words: its names.
        record: how it came about; None while it is in training.
    """

    def __init__(
        self, policy: ProfilePolicy, grammar: Grammar, words: Words, record: TrainingRecord | None = None
    ) -> None:
        self.policy, self.grammar, self.words, self.record = policy, grammar, words, record

    @property
    def name(self) -> str:
        """For reports and cached profiles: the same text for the same weights."""
        return f"trained-{self.record.data_hash[:8]}-s{self.record.seed}" if self.record else "trained"

    @classmethod
    def fresh(cls, config: PolicyConfig, grammar: Grammar, words: Words, seed: int) -> TrainedWriter:
        """With random weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            policy = ProfilePolicy(config, len(grammar.groups), len(words.numbers), len(grammar.phrases))
        return cls(policy, grammar, words)

    @classmethod
    def load(cls, folder: Path) -> TrainedWriter:
        """Open a folder written by :meth:`save`.

        Raises:
            ConfigError: it isn't one, or is damaged.
        """
        try:
            config = WriterConfig.model_validate_json((folder / "config.json").read_text(encoding="utf-8"))
            record = TrainingRecord.model_validate_json((folder / "record.json").read_text(encoding="utf-8"))
            if (config.kind, config.version) != (KIND, 1):
                raise ValueError(f"kind {config.kind!r}, version {config.version}")
            words = Words({name: n for n, name in enumerate(config.words, 1)})
            writer = cls.fresh(config.policy, config.grammar, words, 0)
            writer.policy.load_state_dict(load_file(folder / "model.safetensors"))
        except FileNotFoundError as error:
            name = Path(error.filename or "a file").name
            raise ConfigError(f"{folder} holds no trained profile writer ({name} is missing)") from None
        except (OSError, ValueError, ValidationError, SafetensorError, RuntimeError) as error:
            first = str(error).splitlines()[0]
            raise ConfigError(f"{folder} holds no profile writer that can be read ({first}); train it anew") from error
        writer.record = record
        writer.policy.eval()
        return writer

    def save(self, folder: Path, record: TrainingRecord) -> None:
        """Write config.json, model.safetensors and, last, record.json."""
        folder.mkdir(parents=True, exist_ok=True)
        config = WriterConfig(policy=self.policy.config, grammar=self.grammar, words=list(self.words.numbers))
        write_json(folder / "config.json", config.model_dump(mode="json"))
        temporary = folder / "model.safetensors.part"
        save_file({name: t.contiguous() for name, t in self.policy.state_dict().items()}, temporary)
        sync_file(temporary)
        temporary.rename(folder / "model.safetensors")
        write_json(folder / "record.json", json.loads(record.model_dump_json()))
        self.record = record

    def write(self, facts: HistoryFacts, n: int = 1, seed: int = 0) -> list[str]:
        """``n`` profiles of one history, each of at most 120 tokens, a sentence a line.

        The first is the likeliest; the others are drawn, so they may repeat. Empty texts where nothing is known.

        Args:
            facts: of the history.
            n: how many.
            seed: of the drawn ones.
        """
        return self.write_many([facts], n, seed)[0]

    def write_many(self, every: Sequence[HistoryFacts], n: int = 1, seed: int = 0) -> list[list[str]]:
        """:meth:`write` for many histories."""
        slots = [slots_of(facts, self.policy.config.slots, self.policy.config.titles) for facts in every]
        first = self.texts(slots)
        drawn = [self.texts(slots, seed=seed * 1_000 + k) for k in range(1, n)]
        return [[texts[row] for texts in (first, *drawn)] for row in range(len(slots))]

    def texts(self, every: Sequence[Sequence[Slot]], seed: int | None = None) -> list[str]:
        """One profile of each history: the likeliest, or drawn under a seed."""
        texts: list[str] = []
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        for start in range(0, len(every), _BATCH):
            part = every[start : start + _BATCH]
            facts = sheet(part, self.grammar, self.words, self.policy.config.slots)
            plans = sample(self.policy, self.grammar, facts, generator)
            texts += [self.text(plan, slots) for plan, slots in zip(plans.actions.tolist(), part, strict=True)]
        return ["\n".join(fitted(text.splitlines(), MAX_TOKENS)) for text in texts]

    def text(self, plan: Sequence[int], slots: Sequence[Slot]) -> str:
        """What a plan says, however long."""
        return self.grammar.render(plan, [slot.name for slot in slots])


def seed_of(*parts: int) -> int:
    """One number from several, for torch's generators."""
    return int(np.random.default_rng(list(parts)).integers(2**62))
