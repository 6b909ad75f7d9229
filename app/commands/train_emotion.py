"""`sidra train-emotion`: make the weights of the emotion classifier again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.terminal import Bar, JsonFlag, emit, say


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("train-emotion")(train_emotion)


def train_emotion(
    data: Annotated[str, typer.Option(help="Folder of GoEmotions, or `hub` for the Hugging Face hub.")],
    out: Annotated[Path | None, typer.Option(help="Folder for weights and card; default SIDRA_HOME/emotion.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    json_: JsonFlag = False,
) -> None:
    """Fit the small head over MiniLM that names six emotions, on GoEmotions mapped to six; write weights and card."""
    from app.settings import load_settings
    from eval.emotion import score_classifier
    from recsys_core.emotion.data import goemotions
    from recsys_core.emotion.train import EmotionTrainConfig, save_emotion
    from recsys_core.emotion.train import train_emotion as fit

    folder = out or load_settings(home=home).home / "emotion"
    train, dev, test = (goemotions(data, split) for split in ("train", "dev", "test"))
    named = data if data == "hub" else Path(data).name
    command = f"sidra train-emotion --data {named} --seed {seed}"
    with Bar() as bar:
        classifier = fit(train, dev, EmotionTrainConfig(), seed=seed, command=command, progress=bar)
    texts, truth = test.single()
    classifier.card.scores = score_classifier(classifier, texts, truth, seed=seed)
    size = save_emotion(classifier, folder)
    if json_:
        emit({**classifier.card.model_dump(), "bytes": size})
    say(f"Weights ({size / 1e6:.2f} MB) and card: {folder}")
    say(f"Macro-F1 on GoEmotions' test part: {classifier.card.scores['macro_f1']:.3f}")
