"""`sidra eval profiles`: do profiles tell people apart, and what are they worth? `sidra eval lamp`: LaMP's files."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.terminal import Bar, JsonFlag, say

if TYPE_CHECKING:
    from app.settings import Settings
    from eval.profiles.run import World
    from eval.profiles.writing import ModelSession


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("profiles")(profiles)
    group.command("lamp")(lamp)


def profiles(
    dataset: Annotated[
        str | None,
        typer.Option(help="A research set (scientific, beauty, sports) or an imported data set; default the release."),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of research sets; default SIDRA_DATA_DIR.")] = None,
    users: Annotated[int, typer.Option(min=0, help="A random sample of so many users; 0 takes all.")] = 300,
    users_llm: Annotated[int, typer.Option(min=2, help="So many of them with a language model's profiles.")] = 100,
    n: Annotated[int, typer.Option("--n", min=1, max=16, help="Candidates of which the best is chosen.")] = 4,
    negatives: Annotated[int, typer.Option(min=1, max=200, help="Foreign items or profiles in a list.")] = 8,
    hard: Annotated[
        bool,
        typer.Option(help="BUMP+: the held-out item farthest from the history, profiles of the users most alike."),
    ] = False,
    judge_users: Annotated[
        int, typer.Option(min=0, help="So many also judged by the language model; every list is a call.")
    ] = 0,
    few_llm: Annotated[
        bool, typer.Option(help="The language model also writes from at most five interactions: as many calls again.")
    ] = False,
    recommend: Annotated[bool, typer.Option(help="Also measure the recommender with each kind of profile.")] = True,
    trained: Annotated[
        Path | None,
        typer.Option(help="Folder of a writer made by `sidra train-profile`; users it learned from are left out."),
    ] = None,
    llm: Annotated[str, typer.Option(help="Language model that writes: embedded, openai, none.")] = "none",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    threads: Annotated[int, typer.Option(min=1, max=64, help="With --dataset: processor threads of the build.")] = 2,
    out: Annotated[Path | None, typer.Option(help="Also write the tables as Markdown.")] = None,
    release: Annotated[str | None, typer.Option(help="Release to measure; default the current one.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """How well profiles of every kind tell their users from others, on interactions that nothing has seen.

    Replies of a language model are kept in the home folder, so a run that was cut off goes on where it was.
    """
    from app.settings import load_settings
    from eval.profiles.config import ProfilesConfig
    from eval.profiles.render import markdown
    from eval.profiles.report import ProfilesDetail
    from eval.profiles.run import evaluate_profiles
    from recsys_core.rewards import BumpConfig
    from recsys_core.rewards.policy.writer import TrainedWriter

    if users == 1 or judge_users == 1:
        raise typer.BadParameter(
            "one person can't be told from others: --users and --judge-users take 0, or 2 and more"
        )
    if out is not None and not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"--out: the folder {out.parent} doesn't exist")
    settings = load_settings(home=home, llm=llm)
    if settings.llm == "none" and (few_llm or judge_users):
        raise typer.BadParameter("--few-llm and --judge-users need a language model: --llm embedded or --llm openai")
    learned = TrainedWriter.load(trained) if trained is not None else None
    record = learned.record if learned is not None else None
    config = ProfilesConfig(
        users=users or None,
        users_llm=users_llm,
        n=n,
        few_llm=few_llm,
        judge_users=judge_users,
        measure=BumpConfig(negatives=negatives, draws=8, hard_positives=int(hard), hard_negatives=hard),
        seed=seed,
    )
    with Bar() as bar, ExitStack() as stack:
        world = _open(settings, dataset, data_dir, release, recommend, seed, threads, bar)
        if world.recommender is not None:
            stack.callback(world.recommender.close)
        session = stack.enter_context(_session(settings, bar)) if settings.llm != "none" else None
        report = evaluate_profiles(
            world,
            config,
            writer=session.writer(world.catalogue) if session is not None else None,
            trained=learned,
            leave_out=frozenset(record.train_users if record is not None else ()),
            llm_judge=partial(session.judge, world.catalogue.item_noun) if session is not None else None,
            progress=bar,
        )
    tables = markdown(ProfilesDetail.model_validate(report.detail))
    if out is not None:
        out.write_text(tables, encoding="utf-8")
        say(f"Tables: {out}")
    typer.echo(report.to_json() if json_ else tables)


def lamp(
    questions: Annotated[Path, typer.Argument(help="A file of LaMP questions, such as dev_questions.json.")],
    outputs: Annotated[Path, typer.Argument(help="Its right answers, such as dev_outputs.json.")],
    task: Annotated[str | None, typer.Option(help="LaMP_2, LaMP_2N or LaMP_3; default what the outputs say.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
    json_: JsonFlag = False,
) -> None:
    """Published LaMP questions, answered by the embedding judge without a profile and from a person's own past."""
    from app.commands.evaluate import tell
    from app.settings import load_settings
    from eval.profiles.lamp_answers import answer_lamp
    from eval.profiles.lamp_files import load_lamp
    from recsys_core.encoders.text import TextEncoder, TextEncoderConfig
    from recsys_core.rewards.embedding_judge import EmbeddingJudge

    asked = load_lamp(questions, outputs, task)
    with Bar() as bar:
        encoder = TextEncoder(TextEncoderConfig(cache_dir=load_settings().cache_dir / "text"))
        judge = EmbeddingJudge(encoder, lambda done, total: bar("encoding texts", done, total))
        judge.vectors([text for question in asked.questions for row in question.profile for text in row.values()])
        report = answer_lamp(asked, judge, seed=seed)
    tell(report, json_)


def _session(settings: Settings, bar: Bar) -> AbstractContextManager[ModelSession]:
    from agents.llm.factory import make_chat_model
    from app.runtime import llm_settings
    from eval.profiles.writing import model_session

    replies = settings.llm_replies or settings.home / "profiles" / "replies.sqlite"
    kept = settings.model_copy(update={"llm_replies": replies})
    return model_session(partial(make_chat_model, llm_settings(kept)), replies, settings.llm_start_s, bar)


def _open(
    settings: Settings,
    dataset: str | None,
    data_dir: Path | None,
    release: str | None,
    recommend: bool,
    seed: int,
    threads: int,
    bar: Bar,
) -> World:
    from app.commands.recommend import open_recommender
    from eval.profiles.opening import of_dataset, of_release
    from recsys_core.encoders.text import TextEncoderConfig

    text = TextEncoderConfig(cache_dir=settings.cache_dir / "text")
    if dataset is not None:
        where = data_dir or settings.data_dir
        return of_dataset(
            dataset, settings.home, where, text, recommend=recommend, seed=seed, threads=threads, progress=bar
        )
    return of_release(open_recommender(settings, release), text, recommend=recommend)
