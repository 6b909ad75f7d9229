"""The checks of `sidra doctor`; each names what it found and, where something is amiss, the remedy."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from app.commands.serve import take_port
from app.commands.terminal import Failed
from app.settings import LOOPBACK, PREFIX, Settings, SettingsError, unknown_variables
from recsys_core.errors import SidraError

State = Literal["ok", "note", "missing"]
_GIB = 2**30
_BUILD_BYTES = 3 * _GIB
_MODEL_MEMORY = 3 * _GIB
_BASE_MEMORY = 2 * _GIB
_EXTRAS = {
    "core": ("torch", "faiss", "sentence_transformers", "safetensors", "chromadb", "scipy"),
    "agents": ("langgraph", "openai", "rapidfuzz", "aiosqlite"),
    "app": ("fastapi", "uvicorn", "streamlit", "prometheus_client"),
}


@dataclass(frozen=True)
class Check:
    """One line of the list."""

    name: str
    """What was looked at."""
    state: State
    """`ok`, `note` (works, but look at it), `missing` (won't work)."""
    found: str
    """What is there."""
    remedy: str = ""
    """What to do; empty when nothing is to be done."""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def all_checks(settings: Settings) -> list[Check]:
    """Every check, in the order in which one would repair."""
    return [
        _python(),
        *_packages(settings),
        _home(settings),
        _disk(settings),
        _memory(settings),
        _release(settings),
        _generator(settings),
        _language_model(settings),
        _conversations(settings),
        _callers(settings),
        *_ports(settings),
        _chromium(),
        *_variables(),
    ]


def settings_in_force(settings: Settings) -> dict[str, str]:
    """Every setting by its variable's name, secrets masked."""
    shown = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        secret = isinstance(value, SecretStr)
        shown[PREFIX + name.upper()] = "(set, hidden)" if secret else "" if value is None else str(value)
    return shown


def _python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if (3, 11) <= sys.version_info[:2] < (3, 13):
        return Check("Python", "ok", found)
    return Check("Python", "missing", found, "use Python 3.11 or 3.12")


def _packages(settings: Settings) -> Iterator[Check]:
    wanted = dict(_EXTRAS)
    if settings.llm == "embedded":
        wanted["llm"] = ("xllamacpp",)
    for extra, modules in wanted.items():
        absent = [module for module in modules if find_spec(module) is None]
        if absent:
            yield Check(f"packages: {extra}", "missing", f"no {', '.join(absent)}", f"pip install 'sidra[{extra}]'")
        else:
            yield Check(f"packages: {extra}", "ok", ", ".join(modules))


def _home(settings: Settings) -> Check:
    place = _existing(settings.home)
    if os.access(place, os.W_OK | os.X_OK) and place.is_dir():
        return Check("home folder", "ok", str(settings.home))
    return Check("home folder", "missing", f"{place} can't be written", "set SIDRA_HOME to a folder of yours")


def _disk(settings: Settings) -> Check:
    free = shutil.disk_usage(_existing(settings.home)).free
    found = f"{free / _GIB:.1f} GiB free"
    if free >= _BUILD_BYTES:
        return Check("disk", "ok", found)
    return Check("disk", "note", found, "a build and the language model need about 3 GiB; make room or set SIDRA_HOME")


def _memory(settings: Settings) -> Check:
    needed = _BASE_MEMORY + (_MODEL_MEMORY if settings.llm == "embedded" else 0)
    found = _available_memory()
    if found is None:
        return Check("memory", "note", "the system doesn't say how much is free", f"{needed / _GIB:.0f} GiB are needed")
    if found >= needed:
        return Check("memory", "ok", f"{found / _GIB:.1f} GiB free")
    remedy = "close other programs, or set SIDRA_LLM=none" if settings.llm == "embedded" else "close other programs"
    return Check("memory", "note", f"{found / _GIB:.1f} GiB free, {needed / _GIB:.0f} are needed", remedy)


def _release(settings: Settings) -> Check:
    from recsys_core.releases.store import ReleaseStore

    try:
        release = ReleaseStore(settings.home).open()
    except SidraError as error:
        return Check("release", "missing", str(error), "run `sidra run`, or `sidra import` and `sidra build`")
    absent = [
        path.name for path in (release.catalogue, release.sids, release.index, release.generator) if not path.exists()
    ]
    if absent:
        found = f"{release.id} lacks {', '.join(absent)}"
        return Check("release", "missing", found, "run `sidra build`, or `sidra releases rollback`")
    return Check("release", "ok", f"{release.id}, {release.manifest.item_count} items")


def _generator(settings: Settings) -> Check:
    from recsys_core.releases.store import ReleaseStore

    name = settings.generator
    try:
        release = ReleaseStore(settings.home).open()
    except SidraError:
        return Check("generator", "note", f"{name}; there is no release yet")
    if name != "compact" and not release.has_lm:
        remedy = "run `sidra build --with-lm`, or set SIDRA_GENERATOR=compact"
        return Check("generator", "missing", f"{name}; release {release.id} holds no lm", remedy)
    if name == "vllm":
        return _generator_servers(settings, release.id)
    others = " (lm is there, too)" if release.has_lm and name != "lm" else ""
    return Check("generator", "ok", f"{name}{others}")


def _generator_servers(settings: Settings, release: str) -> Check:
    from app.recommending import generator_servers
    from recsys_core.generator.vllm.pool import PoolConfig, ServerPool

    servers = generator_servers(settings)
    try:
        pool = ServerPool(servers.urls, release, PoolConfig(timeout_s=servers.timeout_s))
    except SidraError as error:
        return Check("generator", "missing", "vllm, without servers", str(error))
    try:
        health = pool.health()
    finally:
        pool.close()
    wrong = [one.problem for one in health if one.problem]
    found = f"vllm; {len(health) - len(wrong)} of {len(health)} servers answer for release {release}"
    if not wrong:
        return Check("generator", "ok", found)
    return Check("generator", "note", f"{found}; without any, lm answers in process", "; ".join(wrong))


def _language_model(settings: Settings) -> Check:
    if settings.llm == "none":
        return Check("language model", "ok", "none: answers come from rules")
    if settings.llm == "scripted":
        there = settings.llm_script is not None and settings.llm_script.is_file()
        found = str(settings.llm_script or "SIDRA_LLM_SCRIPT is not set")
        return Check(
            "language model", "ok" if there else "missing", found, "" if there else "set SIDRA_LLM_SCRIPT to a file"
        )
    if settings.llm == "openai":
        return _endpoint(settings)
    from agents.llm.weights import find_weights

    try:
        path = find_weights(settings.cache_dir, settings.llm_gguf)
    except SidraError as error:
        return Check("language model", "missing", str(error), "see the sentence; SIDRA_LLM=none goes without")
    if path is None:
        remedy = "`sidra run` fetches them, SIDRA_LLM_GGUF names your own, SIDRA_LLM=none goes without"
        return Check("language model", "missing", "no weights yet", remedy)
    return Check("language model", "ok", f"{path.name}, {path.stat().st_size / 1e9:.1f} GB")


def _conversations(settings: Settings) -> Check:
    """Which store is in force, and whether it can be reached."""
    from agents.store import open_database
    from app.runtime import database_config

    config = database_config(settings)
    if config.url is None:
        return Check("conversations", "ok", f"SQLite in {config.folder}")
    try:
        database = open_database(config)
    except SidraError as error:
        return Check("conversations", "missing", "PostgreSQL", str(error))
    database.close()
    return Check("conversations", "ok", f"{database.place}; it answers")


def _callers(settings: Settings) -> Check:
    """Who may ask, and how often."""
    from app.keys import load_keys

    try:
        keys = load_keys(settings)
    except SettingsError as error:
        return Check("API keys", "missing", str(error), "correct the file; the API won't start with it")
    often = f"{settings.rate} requests a minute" if settings.rate else "no limit on how often"
    if not len(keys) and settings.host not in LOOPBACK:
        remedy = "set SIDRA_API_KEY or SIDRA_API_KEYS_FILE; whoever reaches the port may ask for any user"
        return Check("API keys", "note", f"none, listening on {settings.host}; {often}", remedy)
    return Check("API keys", "ok", f"{len(keys) or 'none'}; {often}")


def _endpoint(settings: Settings) -> Check:
    import httpx

    if not settings.llm_model:
        return Check("language model", "missing", "SIDRA_LLM_MODEL is not set", "set it to a name the server knows")
    base = (settings.llm_base_url or "https://api.openai.com/v1").rstrip("/")
    key = settings.llm_api_key
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    try:
        status = httpx.get(f"{base}/models", headers=headers, timeout=5.0).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        found = f"{base} does not answer ({type(error).__name__})"
        return Check("language model", "missing", found, "start that server, or correct SIDRA_LLM_BASE_URL")
    if status in {401, 403}:
        return Check("language model", "missing", f"{base} refuses the key", "correct SIDRA_LLM_API_KEY")
    return Check(
        "language model", "ok" if status == 200 else "note", f"{settings.llm_model} at {base} (status {status})"
    )


def _ports(settings: Settings) -> Iterator[Check]:
    for name, port, variable in (
        ("API port", settings.port, "SIDRA_PORT"),
        ("page port", settings.ui_port, "SIDRA_UI_PORT"),
    ):
        try:
            take_port(settings.host, port, variable, "the flag").close()
        except Failed:
            # It may be taken by a Sidra that is running, so this is nothing to fail over.
            yield Check(name, "note", f"{port} is taken", f"fine if that is Sidra itself; else set {variable}")
        else:
            yield Check(name, "ok", f"{port} is free")


def _chromium() -> Check:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found:
        return Check("Chromium", "ok", found)
    return Check("Chromium", "note", "none", "only the browser test needs it: apt-get install chromium")


def _variables() -> Iterator[Check]:
    for name in unknown_variables():
        yield Check("settings", "note", f"{name} is set and nothing reads it", "look for a slip of the pen")


def _available_memory() -> int | None:
    table = Path("/proc/meminfo")
    if not table.is_file():
        return None
    for line in table.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _existing(path: Path) -> Path:
    """The nearest folder above (or at) `path` that is there."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
