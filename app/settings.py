"""Everything that can be set, under the prefix `SIDRA_`, from the environment or a `.env` file.

Knows nothing of the rooms below, not even their errors: the page may import this and may not import those.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "SIDRA_"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Addresses that only this machine reaches."""


class SettingsError(Exception):
    """A setting that can't be used; the sentence names its variable."""


class Settings(BaseSettings):
    """One object for all commands; every field is the variable `SIDRA_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", env_ignore_empty=True)

    home: Path = Path("var")
    """Where data sets, releases and conversations live."""
    cache_dir: Path = Path("~/.cache/sidra")
    """Where downloads and text vectors are kept between builds."""
    data_dir: Path | None = None
    """Folder of research sets, for `sidra import --benchmark` and `sidra eval offline --dataset`."""
    dataset: str = "movielens-100k"
    """Data set that `sidra run` imports and `sidra build` builds from."""

    host: str = "127.0.0.1"
    """Address the API and the page listen on."""
    port: int = Field(default=8017, ge=1, le=65535)
    """Port of the API."""
    ui_port: int = Field(default=8018, ge=1, le=65535)
    """Port of the chat page."""
    api_url: str | None = None
    """API that the page, `sidra chat` and the evaluation talk to; None is the one on this machine."""
    api_key: SecretStr | None = None
    """When set, every `/v1` route wants `Authorization: Bearer <key>`; this key may ask for any user."""
    api_keys_file: Path | None = None
    """TOML or JSON file of further keys, as hashes, each bound to some users."""
    rate_per_minute: int | None = Field(default=None, ge=0, le=1_000_000)
    """Requests a minute for each bound key (or address, without keys) and for each user; 0 limits nothing. None is no
    limit while the API listens on this machine only, else 120."""
    database_url: SecretStr | None = None
    """PostgreSQL that keeps conversations and memory, `postgresql://user:password@host:5432/name`; None keeps them in
    SQLite files below `home`."""

    llm: Literal["embedded", "none", "openai", "scripted"] = "embedded"
    """Language model: built in, none (rules only), any OpenAI-compatible address, or answers from a file."""
    llm_base_url: str | None = None
    """`openai`: address up to and with `/v1`."""
    llm_api_key: SecretStr | None = None
    """`openai`: its key."""
    llm_model: str | None = None
    """`openai`: model name."""
    llm_gguf: Path | None = None
    """`embedded`: weights of one's own instead of the pinned ones."""
    llm_script: Path | None = None
    """`scripted`: YAML or JSON file of answers."""
    llm_threads: int = Field(default=2, ge=1, le=64)
    """`embedded`: CPU threads."""
    llm_replies: Path | None = None
    """SQLite file that keeps the model's replies, so that a measurement that was cut off goes on where it was."""
    llm_start_s: float = Field(default=120.0, gt=0)
    """Seconds the API waits for the language model before it answers by rules and says so."""

    generator: Literal["compact", "lm", "vllm"] = "compact"
    """What generates items: the compact generator of every release, or the language model of those built with it, in
    this process (`lm`) or on servers (`vllm`)."""
    generator_port: int = Field(default=8019, ge=1, le=65535)
    """Port of `sidra serve-generator`."""
    vllm_urls: str = ""
    """`vllm`: addresses of `sidra serve-generator`, with commas between them."""
    vllm_timeout_s: float = Field(default=5.0, gt=0)
    """`vllm`: longest wait for one answer of a server."""
    vector_store: Literal["chroma", "exact"] = "exact"
    """Index behind the item search."""
    beam_growth: float = Field(default=1.0, ge=1, le=8)
    """A beam is that much narrower at each level before the last one of prefixes; 1 is as wide everywhere."""
    beam_calm: int = Field(default=0, ge=0)
    """Waiting requests from which beams are narrowed in proportion, and `notes` say so; 0 never narrows."""
    beam_floor: int = Field(default=5, ge=1, le=1000)
    """Load narrows no beam below this."""
    batch_size: int = Field(default=32, ge=1, le=64)
    """Concurrent requests answered together at most; 1 answers each alone."""
    batch_window_ms: float = Field(default=2.0, ge=0, le=100)
    """How long a batch waits for others, when others are about."""
    batch_lanes: int = Field(default=1, ge=1, le=16)
    """Batches at work at the same time."""
    workers: int = Field(default=16, ge=1, le=64)
    """Recommender calls that may be under way at the same time; those that meet are answered together."""
    max_waiting: int = Field(default=128, ge=1)
    """Recommender calls that may wait for a worker; more are refused with 503."""
    max_turns: int = Field(default=32, ge=1)
    """Conversation turns that may run at the same time; more are refused with 503."""
    body_bytes: int = Field(default=1_000_000, ge=1_000)
    """Largest request body."""
    message_chars: int = Field(default=4000, ge=1)
    """Longest message of a conversation."""
    diary_days: int = Field(default=56, ge=1, le=3650)
    """Days after which what somebody's diary of reading holds is deleted; it is off until they switch it on."""
    merge_after: int = Field(default=200, ge=0)
    """So many new and re-tagged items are merged into a new release in the background; 0: only when asked."""
    watch_quality: bool = True
    """Whether a promoted plan's quality is watched in use; it takes the memory of a second open release."""
    otel_endpoint: str | None = None
    """Collector that spans are sent to (OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`); None sends none."""
    profile_candidates: int = Field(default=1, ge=1, le=16)
    """Profiles that the language model writes at a refresh, one call each; the most predictive one is kept."""
    profile_refresh_after: int = Field(default=10, ge=1)
    """So many new items of a user make their profile be written anew, if their interest hasn't moved before."""
    max_k: int = Field(default=100, ge=1, le=500)
    """Most items one answer may hold."""

    @field_validator("llm", "generator", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("api_keys_file", "cache_dir", "data_dir", "home", "llm_gguf", "llm_replies", "llm_script")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        return value.expanduser() if value is not None else None

    @property
    def client_url(self) -> str:
        """Address a client on this machine uses for the API."""
        if self.api_url:
            return self.api_url.rstrip("/")
        return f"http://{reachable_host(self.host)}:{self.port}"

    @property
    def page_url(self) -> str:
        """Address of the chat page for a browser on this machine."""
        return f"http://{reachable_host(self.host)}:{self.ui_port}"

    @property
    def rate(self) -> int:
        """Requests a minute that are in force; 0 is no limit."""
        if self.rate_per_minute is not None:
            return self.rate_per_minute
        return 0 if self.host in LOOPBACK else 120

    @property
    def key(self) -> str | None:
        """The API key in the clear, for the client that has to send it."""
        return self.api_key.get_secret_value() if self.api_key else None


def reachable_host(host: str) -> str:
    """The address to connect to for a listener on `host` (a wildcard listens everywhere but is no address)."""
    if host in {"0.0.0.0", "::", ""}:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def load_settings(**overrides: Any) -> Settings:
    """Settings from environment and `.env`; overrides that are not None win.

    Raises:
        SettingsError: a value can't be used; the sentence names the variable.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper() if first["loc"] else PREFIX
        raise SettingsError(f"{name}: {first['msg'].lower()}; run `sidra doctor` to see all settings") from error


def unknown_variables(environment: Iterable[str] | None = None) -> list[str]:
    """Variables that start with `SIDRA_` and set nothing: most often a slip of the pen."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    names = os.environ if environment is None else environment
    return sorted(name for name in names if name.upper().startswith(PREFIX) and name.upper() not in known)
