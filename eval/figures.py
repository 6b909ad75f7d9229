"""The one shape of everything Sidra measures: figures, the context they were taken in, and detail.

``--json`` of every measuring command prints exactly this object, so a figure can be quoted together with what is
needed to take it again. The context never holds host names, user names or paths.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

Progress = Callable[[str, int, int], None]
"""Called with a stage name, how many steps are done, and how many there are."""


class Machine(BaseModel):
    """What the figures were taken on."""

    model_config = ConfigDict(extra="forbid")

    cores: int
    """Processor cores this process may use."""
    memory_gib: float
    """Main memory in GiB; 0 when the system doesn't say."""
    cpu: str
    """Processor model."""
    python: str
    """Python version."""


class Context(BaseModel):
    """What is needed to take the figures again."""

    model_config = ConfigDict(extra="forbid")

    command: str
    """The command line, without its folders."""
    commit: str
    """Short git commit, ``+changes`` when the checkout had uncommitted ones; empty outside a checkout."""
    date: str
    """UTC, ISO 8601 to the second."""
    seed: int
    """Seed of everything random in the measurement."""
    machine: Machine
    """Where it ran."""
    release: str
    """Release that was measured; empty when none was."""


class Report(BaseModel):
    """Figures, context and detail of one measurement."""

    model_config = ConfigDict(extra="forbid")

    figures: dict[str, float] = Field(default_factory=dict)
    """Flat name -> number; names are fixed in docs/evaluation.md."""
    context: Context
    """How they came about."""
    detail: dict[str, Any] = Field(default_factory=dict)
    """Whatever else the command wants to tell."""

    def to_json(self) -> str:
        """One JSON object; numbers that are not finite become null."""
        return self.model_dump_json(indent=2)


def make_context(*, seed: int, release: str = "", command: str | None = None) -> Context:
    """Collect the context of a measurement that is being taken now.

    Args:
        seed: seed of the measurement.
        release: id of the release measured.
        command: the command line; taken from the running process when omitted.
    """
    return Context(
        command=command if command is not None else command_line(sys.argv),
        commit=git_commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=seed,
        machine=machine(),
        release=release,
    )


def command_line(argv: Sequence[str]) -> str:
    """The command as a person would type it, with every folder cut off, since folders name people and machines."""
    words = [_without_folder(word) for word in argv]
    if not words:
        return ""
    program = "sidra" if words[0] in {"__main__.py", "cli.py"} else words[0]
    return " ".join([program, *words[1:]])


def _without_folder(word: str) -> str:
    name, separator, value = word.partition("=")
    if separator and name.startswith("-"):
        return f"{name}={_without_folder(value)}"
    return os.path.basename(word.rstrip("/")) if os.path.isabs(word) or word.startswith(("~", "..")) else word


def git_commit() -> str:
    """Short commit of the checkout this code runs from, or an empty text outside one."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return ""
    commit = _git(folder, "rev-parse", "--short=10", "HEAD")
    if not commit:
        return ""
    return commit + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""  # a checkout copied to a machine without git has no commit to tell
    return done.stdout.strip() if done.returncode == 0 else ""


def machine() -> Machine:
    """Cores, memory and processor model of this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = 0.0
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return Machine(cores=cores, memory_gib=round(memory, 1), cpu=_cpu_model(), python=platform.python_version())


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def percentiles(values: Sequence[float], name: str, points: Sequence[int] = (50, 99)) -> dict[str, float]:
    """``{name}_p50``-like figures of a sample; none at all for an empty one."""
    if not values:
        return {}
    return {f"{name}_p{p}": round(float(np.percentile(values, p)), 4) for p in points}
