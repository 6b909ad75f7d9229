"""`sidra train-profile`: a writer of profiles, trained by the reward that profiles are measured with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.stopping import Stop, stopping_on_signals
from app.commands.terminal import Bar, Failed, JsonFlag, say

if TYPE_CHECKING:
    from eval.figures import Report
    from recsys_core.rewards.policy.config import TrainProfileConfig

CHECKPOINTS = "training"
"""Folder of checkpoints inside the writer's; removed when training is done."""


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("train-profile")(train_profile)


def train_profile(
    policy: Annotated[
        str, typer.Option(help="tiny: a small writer, on a processor; trl: an instruct model, on a GPU (extra rl).")
    ] = "tiny",
    model: Annotated[
        str | None, typer.Option(help="With --policy trl: folder or hub name of the instruct model.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the writer; default profile-writers/RELEASE-SEED at home.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Batches of users.")] = 150,
    users: Annotated[int, typer.Option(min=2, help="Users a batch.")] = 32,
    group: Annotated[int, typer.Option(min=2, help="Profiles sampled of each user (G).")] = 8,
    cuts: Annotated[int, typer.Option(min=1, help="Histories made of each training user's.")] = 4,
    held_out: Annotated[int, typer.Option(min=2, help="Users who are only measured, at most a third.")] = 300,
    evaluate_every: Annotated[int, typer.Option(min=1, help="They are measured after every so many batches.")] = 50,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of reinforcement; default 0.0015, or 0.00001 with --policy trl.")
    ] = None,
    kl_weight: Annotated[float, typer.Option(min=0, help="Weight of the divergence from the supervised start.")] = 0.01,
    judge: Annotated[
        str,
        typer.Option(help="What training is rewarded by: whole profiles, or their facts one by one (much quicker)."),
    ] = "pieces",
    split: Annotated[str, typer.Option(help="test, or validation while choosing settings: other users.")] = "test",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Processor threads.")] = 1,
    release: Annotated[str | None, typer.Option(help="Whose catalogue and histories; default the current one.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Train a writer of profiles by reinforcement (GRPO) on the BUMP reward, and measure it on users kept apart.

    A run that was stopped or killed goes on with the same command.
    """
    from app.commands.evaluate import tell
    from app.settings import load_settings
    from recsys_core.releases.store import ReleaseStore
    from recsys_core.rewards.policy.config import DataConfig, GrpoConfig, TrainProfileConfig

    if split not in {"test", "validation"}:
        raise typer.BadParameter("--split is test or validation")
    if judge not in {"pieces", "whole"}:
        raise typer.BadParameter("--judge is pieces or whole")
    if policy not in {"tiny", "trl"}:
        raise typer.BadParameter("--policy is tiny or trl")
    if (policy == "trl") != (model is not None):
        raise typer.BadParameter("--model names the instruct model of --policy trl; give both or neither")
    if learning_rate is not None and learning_rate <= 0:
        raise typer.BadParameter("--learning-rate must be above 0")
    settings = load_settings(home=home)
    opened = ReleaseStore(settings.home).open(release)
    folder = out or settings.home / "profile-writers" / f"{opened.id}-{seed}"
    rate = learning_rate or (1.5e-3 if policy == "tiny" else 1e-5)
    if (folder / "record.json").exists():
        raise Failed(f"{folder} holds a finished writer; choose another folder (--out) or delete it")
    if users < 9:
        raise typer.BadParameter("--users must be at least 9: each is told from 8 others of the batch")
    config = TrainProfileConfig(
        data=DataConfig(held_out=held_out, cuts=cuts),
        grpo=GrpoConfig(
            steps=steps,
            users=users,
            group=group,
            learning_rate=rate,
            kl_weight=kl_weight,
            evaluate_every=evaluate_every,
        ),
        judge=judge,  # type: ignore[arg-type]
        split=split,
        seed=seed,
        threads=threads,
    )
    try:
        with stopping_on_signals(), Bar() as bar:
            if model is None:
                report = _run(opened, folder, config, bar)
            else:
                from app.commands.train_profile_instruct import train_instruct

                report = train_instruct(opened, folder, config, model, bar)
    except Stop:
        raise Failed(f"stopped; the same command goes on from the last checkpoint in {folder}") from None
    tell(report, json_)
    say(f"Writer: {folder}")


def _run(release: Any, folder: Path, config: TrainProfileConfig, bar: Bar) -> Report:
    """Read, train, measure, save."""
    import shutil

    from eval.figures import Report, make_context
    from eval.training_curves import training_curves
    from recsys_core.catalog.catalogue import Catalogue
    from recsys_core.catalog.interactions import InteractionLog
    from recsys_core.durable import write_atomic
    from recsys_core.encoders.text import TextEncoder
    from recsys_core.rewards import Judge
    from recsys_core.rewards.embedding_judge import EmbeddingJudge
    from recsys_core.rewards.policy.cases import training_data
    from recsys_core.rewards.policy.pieces import PiecesJudge
    from recsys_core.rewards.policy.reward import ProfileReward
    from recsys_core.rewards.policy.summary import summarise
    from recsys_core.rewards.policy.train import grammar_of, train_profiles
    from recsys_core.rewards.policy.writer import TrainingRecord

    catalogue, log = Catalogue.load(release.catalogue), InteractionLog.load(release.interactions)
    data = training_data(catalogue, log, config, bar)
    whole = EmbeddingJudge(TextEncoder())
    judge: Judge = whole if config.judge == "whole" else PiecesJudge(whole, grammar_of(data))

    trained_by = ProfileReward(
        judge, data.guard, config.bump, title_penalty=config.grpo.title_penalty, titles=config.policy.titles
    )
    # the plain reward, so that rules, which name titles, can be compared with; copies are counted apart
    measured_by = ProfileReward(whole, data.guard, config.bump, title_penalty=0.0)
    outcome = train_profiles(data, trained_by, config, folder / CHECKPOINTS, bar, measured_by=measured_by)
    bar("measuring", 0, 0)
    summary = summarise(outcome, data, measured_by, config, None if judge is whole else trained_by)
    context = make_context(seed=config.seed, release=release.id)
    record = TrainingRecord(
        command=context.command,
        commit=context.commit,
        date=context.date,
        release=release.id,
        judge=judge.name,
        seed=config.seed,
        data_hash=data.hash,
        config=config,
        figures=summary.figures,
        curve=outcome.curve,
        train_users=sorted({case.visible.user for case in data.train}),
        held_out_users=sorted({case.visible.user for case in data.held_out}),
    )
    title = f"Profiles of {release.id}, seed {config.seed}: {config.split} users"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "curves.svg", training_curves(outcome.curve, summary.rules, title).encode())
    outcome.writer.save(folder, record)
    shutil.rmtree(folder / CHECKPOINTS)
    return Report(
        figures=summary.figures,
        context=context,
        detail={"curve": outcome.curve, "examples": summary.examples, "data_hash": data.hash},
    )
