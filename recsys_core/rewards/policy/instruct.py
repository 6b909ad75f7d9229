"""GRPO for a real instruct model, by TRL (the extra ``rl``): LoRA on a GPU, the same reward, the same users apart.

What TRL calls is :class:`TrlReward`, which needs none of TRL. Everything heavy is imported where it is used.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from recsys_core.errors import ConfigError
from recsys_core.profiles import split_lines
from recsys_core.rewards.policy.cases import Case
from recsys_core.rewards.policy.reward import ProfileReward, stop_at_leaks
from recsys_core.rewards.policy.writer import seed_of

PACKAGES = ("trl", "peft", "datasets", "accelerate")
"""What the extra brings."""

Message = dict[str, str]


class InstructConfig(BaseModel):
    """How an instruct model is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """Folder or hub name of an instruct model in transformers layout."""
    steps: PositiveInt = 300
    """Batches of users."""
    users: int = Field(default=12, ge=2)
    """Users a batch; the others give the negatives."""
    group: int = Field(default=8, ge=2)
    """Profiles sampled of each user (G)."""
    learning_rate: PositiveFloat = 1e-5
    """Of AdamW on the adapters."""
    kl_weight: float = Field(default=0.02, ge=0)
    """Weight of the divergence from the model as it came."""
    clip: float = Field(default=0.2, gt=0, lt=1)
    """Bound on the ratio to the policy that sampled."""
    lora_rank: PositiveInt = 16
    """Rank of the adapters."""
    reply_tokens: PositiveInt = 170
    """Longest reply."""
    format_penalty: float = Field(default=0.25, ge=0)
    """Taken off where a reply isn't the JSON that was asked for."""
    leak_rate: float = Field(default=0.02, ge=0, le=1)
    """Training stops when more than this share of a batch names the item to be predicted. A model that knows the
    catalogue may guess one; such a profile earns nothing."""
    save_every: PositiveInt = 25
    """A killed run loses at most so many batches."""
    seed: int = 0
    """Of everything random."""


def need_packages() -> None:
    """Check for the extra.

    Raises:
        ConfigError: it isn't installed; names it.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--policy trl needs {', '.join(missing)}: install the extra with `pip install 'sidra[rl]'`, "
            "or train the small writer with --policy tiny"
        )


def profile_of(reply: str) -> tuple[str, bool]:
    """The profile in a reply, a statement a line, and whether the reply was the JSON object that was asked for."""
    try:
        said = json.loads(reply)
    except ValueError:
        said = None
    lines = said.get("lines") if isinstance(said, dict) else None
    if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
        return "\n".join(line.strip() for line in lines if line.strip()), True
    return "\n".join(split_lines(reply)), False


class TrlReward:
    """A reward function as TRL's GRPOTrainer calls it.

    Args:
        reward: scores and watches.
        cases: that the data set's column ``case`` numbers.
        config: penalties and the seed.
        report: told the means of each batch.
    """

    __name__ = "bump"

    def __init__(
        self,
        reward: ProfileReward,
        cases: Sequence[Case],
        config: InstructConfig,
        report: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        self._reward, self._cases, self._config, self._report = reward, cases, config, report
        self._calls = 0

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], case: Sequence[int], **others: Any
    ) -> list[float]:
        """Reward of each completion.

        Args:
            prompts: not read.
            completions: texts, or lists of messages of which the last is read.
            case: number of each completion's case.
            others: whatever else TRL tells.

        Returns:
            One number a completion.

        Raises:
            LeakError: too many profiles name what they are to predict.
        """
        present = list(dict.fromkeys(int(n) for n in case))
        place = {n: row for row, n in enumerate(present)}
        read = [
            profile_of(completion if isinstance(completion, str) else completion[-1]["content"])
            for completion in completions
        ]
        rewards = self._reward(
            [self._cases[n] for n in present],
            [text for text, _ in read],
            [place[int(n)] for n in case],
            seed=seed_of(self._config.seed, 8, self._calls),
        )
        self._calls += 1
        stop_at_leaks(rewards, self._config.leak_rate)
        malformed = np.array([not fine for _, fine in read], dtype=np.float64)
        if self._report:
            self._report({"step": self._calls, **rewards.means(), "malformed": float(malformed.mean())})
        return [float(value) for value in rewards.total - self._config.format_penalty * malformed]


def one_cut_a_user(cases: Sequence[Case]) -> list[Case]:
    """The longest cut of each user: two cuts of one user in a batch would be each other's negatives."""
    longest: dict[str, Case] = {}
    for case in cases:
        known = longest.get(case.visible.user)
        if known is None or len(case.visible.items) > len(known.visible.items):
            longest[case.visible.user] = case
    return list(longest.values())


class InstructTrainer:
    """A TRL run: measure, train, measure, save.

    Args:
        cases: of training users, one each (:func:`one_cut_a_user`).
        prompts: the messages of each case.
        reward: of the profiles.
        config: the recipe.
        folder: for TRL's checkpoints; the last one there is gone on from.
        report: told the means of each batch.

    Raises:
        ConfigError: the extra isn't installed, the model can't be loaded, or there are fewer users than a batch takes.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        prompts: Sequence[list[Message]],
        reward: ProfileReward,
        config: InstructConfig,
        folder: Path,
        report: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        need_packages()
        if len(cases) < config.users:
            raise ConfigError(f"{len(cases)} training users are fewer than the {config.users} of a batch")
        import torch
        from datasets import Dataset
        from peft import LoraConfig
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from trl import GRPOConfig, GRPOTrainer

        self._folder, self._config = folder, config
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(config.model)
            model: Any = AutoModelForCausalLM.from_pretrained(config.model)
        except (OSError, ValueError) as error:
            raise ConfigError(f"--model {config.model!r} can't be loaded ({str(error).splitlines()[0]})") from error
        if not getattr(self.tokenizer, "chat_template", None):
            raise ConfigError(f"--model {config.model!r} has no chat template; choose an instruct model")
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.tokenizer.padding_side = "left"
        rows = [{"prompt": prompt, "case": n} for n, prompt in enumerate(prompts)]
        on_gpu = torch.cuda.is_available()
        arguments = GRPOConfig(
            output_dir=str(folder),
            max_steps=config.steps,
            per_device_train_batch_size=config.group,
            # one call of the reward sees all users of a batch, who are each other's negatives
            gradient_accumulation_steps=config.users,
            num_generations=config.group,
            max_completion_length=config.reply_tokens,
            learning_rate=config.learning_rate,
            beta=config.kl_weight,
            epsilon=config.clip,
            save_steps=config.save_every,
            save_total_limit=1,
            bf16=on_gpu,
            use_cpu=not on_gpu,
            seed=config.seed,
            report_to=[],
            disable_tqdm=True,
            logging_steps=1,
        )
        self._trainer: Any = GRPOTrainer(
            model=model,
            reward_funcs=TrlReward(reward, cases, config, report),
            args=arguments,
            train_dataset=Dataset.from_list(rows),
            processing_class=self.tokenizer,
            peft_config=LoraConfig(r=config.lora_rank, lora_alpha=2 * config.lora_rank, task_type="CAUSAL_LM"),
        )

    def train(self) -> None:
        """All steps, from the last checkpoint where there is one."""
        kept = any(self._folder.glob("checkpoint-*"))
        self._trainer.train(resume_from_checkpoint=kept)

    def write(self, prompts: Sequence[list[Message]], batch: int = 16) -> list[str]:
        """The likeliest profile of each prompt, by the model as it is now."""
        import torch

        model = self._trainer.model
        model.eval()
        found: list[str] = []
        for start in range(0, len(prompts), batch):
            texts = [
                self.tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
                for prompt in prompts[start : start + batch]
            ]
            told = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
            with torch.no_grad():
                answers = model.generate(
                    **told,
                    max_new_tokens=self._config.reply_tokens,
                    do_sample=False,
                    pad_token_id=self.tokenizer.pad_token_id,
                )
            replies = self.tokenizer.batch_decode(answers[:, told["input_ids"].shape[1] :], skip_special_tokens=True)
            found += [profile_of(reply)[0] for reply in replies]
        return found

    def save(self, folder: Path) -> None:
        """The model with the adapters merged in, in transformers layout, for any server of such models."""
        merged = self._trainer.model.merge_and_unload()
        merged.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
