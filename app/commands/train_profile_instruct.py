"""`sidra train-profile --policy trl`: the same training for an instruct model, by TRL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.commands.terminal import Bar
    from eval.figures import Report
    from recsys_core.rewards.policy.cases import Case
    from recsys_core.rewards.policy.config import TrainProfileConfig

TITLES = 2
"""Titles that a profile may name: the prompt shows some as samples of taste, and the rules name two."""


def train_instruct(release: Any, folder: Path, config: TrainProfileConfig, model: str, bar: Bar) -> Report:
    """Read, measure, train, measure, save.

    Args:
        release: whose catalogue and histories.
        folder: gets the model in transformers layout, record.json and curves.svg.
        config: users, batches and the reward; the shape of the small policy in it is not used.
        model: folder or hub name.
        bar: progress.

    Raises:
        ConfigError: the extra isn't installed, or the model can't be used.
        LeakError: too many profiles name what they are to predict.
    """
    from recsys_core.rewards.policy.instruct import need_packages

    need_packages()  # before histories are read for minutes
    from agents.profile.writer import messages_for
    from eval.figures import Report, make_context
    from eval.training_curves import training_curves
    from recsys_core.catalog.catalogue import Catalogue
    from recsys_core.catalog.interactions import InteractionLog
    from recsys_core.durable import write_atomic, write_json
    from recsys_core.rewards.embedding_judge import EmbeddingJudge
    from recsys_core.rewards.policy.cases import training_data
    from recsys_core.rewards.policy.instruct import InstructConfig, InstructTrainer, one_cut_a_user
    from recsys_core.rewards.policy.reward import ProfileReward
    from recsys_core.rewards.policy.summary import figures_of
    from recsys_core.rewards.policy.train import measure_texts
    from recsys_core.rewards.policy.writer import TrainingRecord

    data = training_data(Catalogue.load(release.catalogue), InteractionLog.load(release.interactions), config, bar)
    for case in (*data.train, *data.held_out):
        data.guard.check_facts(case.visible, case.slots)
    penalty = config.grpo.title_penalty
    reward = ProfileReward(EmbeddingJudge(), data.guard, config.bump, title_penalty=penalty, titles=TITLES)
    # the plain reward, so that rules can be compared with; copies are counted apart
    plain = ProfileReward(reward.judge, data.guard, config.bump, title_penalty=0.0)
    recipe = InstructConfig(
        model=model,
        steps=config.grpo.steps,
        users=config.grpo.users,
        group=config.grpo.group,
        learning_rate=config.grpo.learning_rate,
        kl_weight=config.grpo.kl_weight,
        clip=config.grpo.clip,
        seed=config.seed,
    )

    def prompts(cases: list[Case]) -> list[list[dict[str, str]]]:
        return [
            [{"role": str(message["role"]), "content": str(message["content"])} for message in messages_for(case.facts)]
            for case in cases
        ]

    curve: list[dict[str, float]] = []

    def report(record: dict[str, float]) -> None:
        curve.append(record)
        bar("training", len(curve), recipe.steps)

    cases = one_cut_a_user(data.train)
    trainer = InstructTrainer(cases, prompts(cases), reward, recipe, folder / "training", report)
    asked = prompts(data.held_out)
    bar("measuring", 0, 0)
    texts = {"start": trainer.write(asked)}
    trainer.train()
    texts |= {"end": trainer.write(asked), "rule": [case.rule for case in data.held_out]}
    found = {name: measure_texts(written, data, plain, config) for name, written in texts.items()}
    figures = figures_of(found, texts, data, config)
    trainer.save(folder)
    context = make_context(seed=config.seed, release=release.id)
    record = TrainingRecord(
        command=context.command,
        commit=context.commit,
        date=context.date,
        release=release.id,
        judge=reward.judge.name,
        seed=config.seed,
        data_hash=data.hash,
        config=config,
        figures=figures,
        curve=curve,
        train_users=sorted({case.visible.user for case in cases}),
        held_out_users=sorted({case.visible.user for case in data.held_out}),
    )
    title = f"Profiles by {Path(model).name}, {release.id}, seed {config.seed}"
    write_atomic(folder / "curves.svg", training_curves(curve, found["rule"].means(), title).encode())
    write_json(folder / "record.json", record.model_dump(mode="json"))
    return Report(figures=figures, context=context, detail={"curve": curve, "instruct": recipe.model_dump()})
