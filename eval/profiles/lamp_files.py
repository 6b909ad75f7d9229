"""The published LaMP files: ``*_questions.json`` and ``*_outputs.json`` as they are downloaded.

Questions are a list of ``{"id", "input", "profile": [...]}``; outputs are ``{"task", "golds": [{"id", "output"}]}``.
What an entry of a profile holds depends on the task. The files are no part of this project.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from recsys_core.errors import DataError

SAYS = {
    "LaMP_1": ("title", "abstract"),
    "LaMP_2": ("description", "tag"),
    "LaMP_2N": ("text", "title", "category"),
    "LaMP_3": ("text", "score"),
    "LaMP_4": ("text", "title"),
    "LaMP_5": ("abstract", "title"),
    "LaMP_6": ("text", "title"),
    "LaMP_7": ("text",),
}
"""Fields of a profile's entries, by task; the last one is what the person made of the others."""


class LampQuestion(NamedTuple):
    """One question of one person.

    Attributes:
        id: of the question.
        input: what a model is asked.
        profile: the person's earlier entries in the order of the file, each with the task's fields as text.
        output: the right answer; None when no outputs were read.
    """

    id: str
    input: str
    profile: list[dict[str, str]]
    output: str | None


class LampSet(NamedTuple):
    """A file of questions.

    Attributes:
        task: such as ``LaMP_2``.
        questions: in the order of the file.
    """

    task: str
    questions: list[LampQuestion]


def load_lamp(questions: Path, outputs: Path | None = None, task: str | None = None) -> LampSet:
    """Read a pair of files.

    Args:
        questions: the list of questions.
        outputs: the right answers; None where they aren't published (test).
        task: such as ``LaMP_2``; what the outputs say when None.

    Raises:
        DataError: names the file, the entry and what is wrong with it.
    """
    golds: dict[str, str] = {}
    if outputs is not None:
        said = _json(outputs)
        if not isinstance(said, dict) or not isinstance(said.get("golds"), list):
            raise DataError(f"{outputs} must hold an object with `task` and a list `golds`; is it a questions file?")
        stated = _name(str(said.get("task", "")))
        if task is not None and stated and stated != _name(task):
            raise DataError(f"{outputs} holds answers to {stated}, not to {_name(task)}; take the outputs of that task")
        task = task or stated
        for number, gold in enumerate(said["golds"], 1):
            if not isinstance(gold, dict) or not {"id", "output"} <= set(gold):
                raise DataError(f"{outputs}, gold {number}: expected `id` and `output`, found {_short(gold)}")
            golds[str(gold["id"])] = str(gold["output"])
    task = _name(task or "")
    if task not in SAYS:
        raise DataError(f"{questions}: say which task it is, one of {', '.join(SAYS)}, not {task or 'none'!r}")
    listed = _json(questions)
    if not isinstance(listed, list) or not listed:
        raise DataError(f"{questions} must hold a list of questions, and at least one")
    found = [_question(questions, number, entry, task) for number, entry in enumerate(listed, 1)]
    if len({question.id for question in found}) < len(found):
        raise DataError(f"{questions} holds a question id twice; keep one of each")
    if outputs is None:
        return LampSet(task, found)
    missing = [question.id for question in found if question.id not in golds]
    if missing:
        raise DataError(f"{outputs} has no answer to question {missing[0]!r} (and {len(missing) - 1} more)")
    return LampSet(task, [question._replace(output=golds[question.id]) for question in found])


def _question(path: Path, number: int, entry: Any, task: str) -> LampQuestion:
    if not isinstance(entry, dict) or not {"id", "input", "profile"} <= set(entry):
        raise DataError(f"{path}, question {number}: expected `id`, `input` and `profile`, found {_short(entry)}")
    if not isinstance(entry["profile"], list):
        raise DataError(f"{path}, question {number}: `profile` must be a list, not {_short(entry['profile'])}")
    rows = []
    for place, row in enumerate(entry["profile"], 1):
        lacking = [name for name in SAYS[task] if not isinstance(row, dict) or name not in row]
        if lacking:
            raise DataError(
                f"{path}, question {number}, profile entry {place}: {task} needs {' and '.join(SAYS[task])}, "
                f"{lacking[0]!r} is missing"
            )
        rows.append({name: str(row[name]) for name in SAYS[task]})
    return LampQuestion(str(entry["id"]), str(entry["input"]), rows, None)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON ({error}); fetch the file again") from error


def _name(task: str) -> str:
    """``LaMP_2_movies`` and ``lamp-2`` are ``LaMP_2``; the older news task is ``LaMP_2N``."""
    digits = [char for char in task if char.isdigit()]
    if not digits:
        return task
    news = digits[0] == "2" and ("news" in task.casefold() or task.casefold().endswith("2n"))
    return f"LaMP_{digits[0]}{'N' if news else ''}"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:60]
