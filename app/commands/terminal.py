"""How commands speak: sentences and tables for people on standard error and output, one JSON object for programs."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]


class Failed(Exception):
    """A command that can't go on; the message is the sentence to print, the exit status is 1."""


def say(sentence: str) -> None:
    """One line for people. Standard error, so that standard output holds results only."""
    typer.echo(sentence, err=True)


def emit(payload: Any) -> None:
    """The one JSON object of `--json`."""
    sys.stdout.write(json.dumps(payload, ensure_ascii=False, indent=2, default=str) + "\n")


def console() -> Console:
    """Where tables go."""
    from rich.console import Console

    return Console(highlight=False)


class Bar:
    """Progress as `(stage, done, total)` on a terminal; silent elsewhere, but for one line a stage when `verbose`."""

    def __init__(self, verbose: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._terminal = sys.stderr.isatty()
        self._verbose = verbose
        self._stage = ""
        self._task: Any = None
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not self._terminal,
        )

    def __call__(self, stage: str, done: int, total: int) -> None:
        """A stage has come this far."""
        if stage != self._stage:
            self._finish()
            self._stage = stage
            if self._terminal:
                self._task = self._progress.add_task(stage, total=total or None)
            elif self._verbose:
                say(f"  {stage}")
        if self._task is not None:
            self._progress.update(self._task, completed=done, total=total or None)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()
        self._progress.stop()

    def _finish(self) -> None:
        if self._task is not None:
            task = self._progress.tasks[-1]
            self._progress.update(self._task, completed=task.total or task.completed)
            self._task = None


@contextmanager
def failing_plainly() -> Iterator[None]:
    """Turns what can go wrong by no fault of the program into one sentence and exit status 1."""
    from app.client import ClientError
    from app.settings import SettingsError
    from recsys_core.errors import SidraError

    try:
        yield
    except (SidraError, SettingsError, ClientError, Failed) as error:
        _stop(str(error))
    except MemoryError:
        _stop("not enough memory; close other programs, or run without a language model (SIDRA_LLM=none)")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _stop(f"the disk is full{_where(error)}; make room or set SIDRA_HOME to a larger disk")
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR}:
            _stop(f"{error.strerror}{_where(error)}")
        raise
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"app", "agents", "tools", "recsys_core", "eval", "prompts", ""}:
            raise
        _stop(f"the package {package!r} is not installed; install Sidra with all its parts: pip install 'sidra[all]'")


def _stop(sentence: str) -> None:
    say(f"sidra: {' '.join(sentence.split())}")
    raise typer.Exit(1)


def _where(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""
