"""LaMP: the published files, and tasks of its shape from the data at hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.profiles.lamp_answers import answer_lamp
from eval.profiles.lamp_files import load_lamp
from eval.profiles.lamp_tasks import Choice, Ratings, accuracy, genre_choice, tag_choice
from eval.profiles.people import ItemTexts, draw_people
from recsys_core.catalog.splits import leave_last_out
from recsys_core.catalog.synth import synthetic
from recsys_core.errors import DataError
from recsys_core.profiles import Averages

QUESTIONS = [
    {
        "id": "310",
        "input": "Which tag does this movie relate to among the following tags? ... description: A ship sinks.",
        "profile": [{"id": "3100", "tag": "romance", "description": "Two meet."}],
    },
    {"id": "311", "input": "Which tag ... description: A robot wakes.", "profile": []},
]
OUTPUTS = {"task": "LaMP_2", "golds": [{"id": "310", "output": "classic"}, {"id": "311", "output": "sci-fi"}]}


def _write(folder: Path, name: str, value: Any) -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_published_format(tmp_path: Path) -> None:
    """Questions and outputs are joined by id; a test part has no outputs."""
    questions, outputs = _write(tmp_path, "q.json", QUESTIONS), _write(tmp_path, "o.json", OUTPUTS)
    found = load_lamp(questions, outputs)
    assert found.task == "LaMP_2"
    assert [q.output for q in found.questions] == ["classic", "sci-fi"]
    assert found.questions[0].profile == [{"description": "Two meet.", "tag": "romance"}]
    assert load_lamp(questions, task="LaMP_2_movies").questions[0].output is None
    rated = [{"id": 1, "input": "What is the score", "profile": [{"text": "Good.", "score": 5, "id": 7}]}]
    assert load_lamp(_write(tmp_path, "r.json", rated), task="lamp-3").questions[0].profile[0]["score"] == "5"


@pytest.mark.parametrize(
    ("questions", "outputs", "says"),
    [
        (QUESTIONS, {"task": "LaMP_2", "golds": [{"id": "310", "output": "x"}]}, "no answer to question '311'"),
        (QUESTIONS, {"task": "LaMP_9", "golds": []}, "one of LaMP_1"),
        (QUESTIONS, [], "is it a questions file"),
        (QUESTIONS, {"task": "LaMP_2", "golds": ["x"]}, "gold 1"),
        (QUESTIONS[:1] * 2, OUTPUTS, "twice"),
        ([{"id": "1", "input": "x"}], OUTPUTS, "question 1"),
        ([{"id": "1", "input": "x", "profile": "y"}], OUTPUTS, "must be a list"),
        ([{"id": "1", "input": "x", "profile": [{"tag": "z"}]}], OUTPUTS, "profile entry 1.*'description' is missing"),
        ([], OUTPUTS, "at least one"),
        ("{", OUTPUTS, "no JSON"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, questions: Any, outputs: Any, says: str) -> None:
    """Every error names the file, the place and the fault."""
    with pytest.raises(DataError, match=says):
        load_lamp(_write(tmp_path, "q.json", questions), _write(tmp_path, "o.json", outputs))
    with pytest.raises(DataError, match="can't be read"):
        load_lamp(tmp_path / "absent.json", task="LaMP_2")
    with pytest.raises(DataError, match="not to LaMP_3"):
        load_lamp(_write(tmp_path, "q2.json", QUESTIONS), _write(tmp_path, "o2.json", OUTPUTS), "LaMP_3")


class Knows:
    """A judge that is told what goes with what."""

    name = "knows"

    def __init__(self, good: set[tuple[str, str]]) -> None:
        self.good = good

    def scores(self, queries: Sequence[str], candidates: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[(q, c) in self.good for c in candidates] for q in queries], dtype=np.float32)


def test_accuracy_of_choices() -> None:
    """Right, wrong, a tie between both, and no question."""
    choice = Choice(
        ["a", "b", "c"],
        np.array([[0, 1], [0, 1], [2, 1], [0, 1]]),
        np.array([[True, False], [False, True], [True, False], [False, False]]),
    )
    judge = Knows({("p", "a"), ("q", "a")})
    assert accuracy(judge, ["p", "q", "r", "s"], choice)[:3].tolist() == [1.0, 0.0, 0.5]
    assert np.isnan(accuracy(judge, ["p", "q", "r", "s"], choice)[3])


def test_published_questions_are_answered(tmp_path: Path) -> None:
    """The nearest entries of the past decide, then the question alone; scores are averaged."""
    past = [("Two meet.", "romance"), ("Two part.", "romance"), ("A robot.", "sci-fi")]
    profile = [{"description": text, "tag": tag} for text, tag in past]
    asked = [
        {"id": "1", "input": "Which tag? tags: [x] description: Robots.", "profile": profile},
        {"id": "2", "input": "Which tag? description: Clowns.", "profile": []},
    ]
    golds = {"task": "LaMP_2", "golds": [{"id": "1", "output": "sci-fi"}, {"id": "2", "output": "comedy"}]}
    found = load_lamp(_write(tmp_path, "q.json", asked), _write(tmp_path, "o.json", golds))
    figures = answer_lamp(found, Knows({("Robots.", "A robot."), ("Clowns.", "comedy")}), command="x").figures
    assert figures["questions"] == 2
    assert (figures["accuracy.none"], figures["accuracy.frequent"], figures["accuracy.nearest"]) == (0.5, 0.5, 1.0)
    rated = [{"id": "1", "input": "score? review: Bad.", "profile": [{"text": "Poor.", "score": "2"}]}]
    golds = {"task": "LaMP_3", "golds": [{"id": "1", "output": "1"}]}
    scored = load_lamp(_write(tmp_path, "q.json", rated), _write(tmp_path, "o.json", golds))
    assert answer_lamp(scored, Knows(set()), command="x").figures["mean_absolute_error.nearest"] == 1.0
    with pytest.raises(DataError, match="question '1': a score must be a number, not 'good'"):
        answer_lamp(scored._replace(questions=[scored.questions[0]._replace(output="good")]), Knows(set()))
    with pytest.raises(DataError, match="asks for a text"):
        answer_lamp(scored._replace(task="LaMP_7"), Knows(set()))
    with pytest.raises(DataError, match="outputs file"):
        answer_lamp(load_lamp(tmp_path / "q.json", task="LaMP_3"), Knows(set()))


def test_tasks_from_data() -> None:
    """Questions ask for the last item's own tags; a judge that knows them is always right, no profile is chance."""
    catalogue, log = synthetic(n_items=240, n_users=80, seed=2)
    people = draw_people(leave_last_out(log), None, 0)
    averages = Averages(catalogue)
    names = [f"p{n}" for n in range(len(people))]
    for choice in (genre_choice(averages, people), tag_choice(averages, people, 0)):
        if choice is None:
            continue
        good = {
            (names[row], choice.labels[choice.shown[row, place]]) for row, place in np.argwhere(choice.right).tolist()
        }
        found = accuracy(Knows(good), names, choice)
        assert np.nanmin(found) == 1.0
        chance = accuracy(Knows(set()), names, choice)
        assert np.nanmax(np.abs(chance - choice.right.mean(axis=1))[~np.isnan(chance)]) < 1e-9


def test_ratings_learn_from_the_visible_slice_only() -> None:
    """A judge that fits exactly with the ratings lowers the error, and held-out ratings change no weight."""
    catalogue, log = synthetic(n_items=120, n_users=80, seed=2)
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, len(log)).astype(np.float32)
    rated = replace(log, values=values)
    assert Ratings.rated(rated)
    assert not Ratings.rated(replace(log, kind_names=["view"]))
    split = leave_last_out(rated)
    people = draw_people(split, None, 0)
    texts = ItemTexts(catalogue)
    rating = {}
    for n, person in enumerate(people):
        span = range(int(rated.offsets[person.user]), int(rated.offsets[person.user + 1]))
        rating |= {(f"p{n}", texts([rated.items[row]])[0]): float(values[row]) for row in span}

    class Tells(Knows):
        def scores(self, queries: Sequence[str], candidates: Sequence[str]) -> NDArray[np.float32]:
            return np.array([[rating.get((q, c), 3.0) for c in candidates] for q in queries], dtype=np.float32)

    names = [f"p{n}" for n in range(len(people))]
    ratings = Ratings(rated, people, texts, split.train_rows)
    told, silent = ratings.errors(Tells(set()), names), ratings.errors(Knows(set()), names)
    assert np.nanmean(told) < 0.5 * np.nanmean(silent)
