"""vLLM's own virtual environment: it pins versions that Sidra doesn't share, so the two never meet in one process."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from recsys_core.errors import InstallError

Kind = Literal["cpu", "gpu"]

CPU_REQUIREMENTS = Path(__file__).parent / "requirements-cpu.txt"
"""Every package of the environment for processors, with its version."""

GPU_PACKAGES = ("vllm==0.32.0", "polars==2.1.0")
"""What is asked for on a machine with a GPU; versions of the rest are vLLM's to choose."""

STAMP = ".complete"
"""File that is written last, so that a half-made environment is made anew."""

_NEEDED_BYTES = 6 << 30


def machine_kind() -> Kind:
    """``gpu`` where an NVIDIA device can be seen."""
    return "gpu" if any(Path("/dev").glob("nvidia[0-9]*")) else "cpu"


def environment_folder(cache: Path, kind: Kind | None = None) -> Path:
    """Where the environment lies or will lie: another folder for other packages or another Python.

    Args:
        cache: Sidra's cache folder.
        kind: machine's own when None.
    """
    kind = kind or machine_kind()
    wanted = CPU_REQUIREMENTS.read_text(encoding="utf-8") if kind == "cpu" else "\n".join(GPU_PACKAGES)
    python = ".".join(str(part) for part in sys.version_info[:2])
    digest = hashlib.sha256(f"{kind}\n{python}\n{wanted}".encode()).hexdigest()[:12]
    return cache / f"vllm-env-{digest}"


def python_of(folder: Path) -> Path:
    """The environment's interpreter."""
    return folder / "bin" / "python"


def installed_python(cache: Path, kind: Kind | None = None) -> Path:
    """The interpreter of a finished environment.

    Raises:
        InstallError: there is none yet.
    """
    folder = environment_folder(cache, kind)
    if not (folder / STAMP).is_file():
        raise InstallError(
            "vLLM isn't installed here; run `make vllm` (or `sidra serve-generator --install-only`), once, about 3 GB"
        )
    return python_of(folder)


def install(cache: Path, tell: Callable[[str], None], kind: Kind | None = None) -> Path:
    """Make the environment unless it is there, and return its interpreter.

    Args:
        cache: Sidra's cache folder.
        tell: hears what is being done, in sentences.
        kind: machine's own when None.

    Raises:
        InstallError: too little room, or a package can't be had.
    """
    kind = kind or machine_kind()
    folder = environment_folder(cache, kind)
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / "vllm-env.lock"):
        if (folder / STAMP).is_file():
            tell(f"vLLM's environment is there: {folder}")
            return python_of(folder)
        if shutil.disk_usage(cache).free < _NEEDED_BYTES:
            raise InstallError(
                f"vLLM's environment needs 6 GB free in {cache}; make room or set SIDRA_CACHE_DIR to a larger disk"
            )
        tell(f"Installing vLLM into an environment of its own, {folder} (a few minutes, about 3 GB) ...")
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], "the virtual environment can't be made")
        pip = [str(python_of(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        chosen = ["--no-deps", "--requirement", str(CPU_REQUIREMENTS)] if kind == "cpu" else list(GPU_PACKAGES)
        hint = " (torch's CPU builds must be among what pip finds)" if kind == "cpu" else ""
        _run([*pip, *chosen], f"its packages can't be installed{hint}; check the network and run `make vllm` again")
        _run([str(python_of(folder)), "-c", "import vllm, polars"], "it was installed and can't be imported")
        (folder / STAMP).touch()
        tell("vLLM is installed.")
        return python_of(folder)


def _run(command: list[str], problem: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        wrong = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["no reason given"]
        raise InstallError(f"vLLM: {problem}: {' '.join(wrong)[:400]}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One at a time on this machine."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
