"""API keys with users bound to them: who is asking, and for whom they may ask.

`SIDRA_API_KEY` is the key of a service that vouches for its users: it may name any. Keys of `SIDRA_API_KEYS_FILE` are
bound to some users. The file holds hashes only:

    [[keys]]
    name = "ann's phone"
    sha256 = "9f86d081..."     # printf %s "$KEY" | sha256sum
    users = ["ann"]

    [[keys]]
    name = "shop"
    sha256 = "60303ae2..."
    prefix = "shop-"           # any user whose id begins with it
"""

from __future__ import annotations

import hashlib
import hmac
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from app.settings import Settings, SettingsError

_SETTING = "SIDRA_API_KEYS_FILE"
_LONGEST_KEY = 4096


class KeyEntry(BaseModel):
    """One key of the file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", max_length=100)
    """What people call it; used in nothing but messages about the file."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
    """Hash of the key, 64 hex digits."""
    users: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(default_factory=list, max_length=10_000)
    """Users that may be asked for."""
    prefix: Annotated[str, Field(max_length=100)] = ""
    """Likewise every user whose id begins with this; empty for none."""

    @model_validator(mode="after")
    def _bound(self) -> KeyEntry:
        if not self.users and not self.prefix:
            raise ValueError("a key needs users or a prefix; for any user there is SIDRA_API_KEY")
        return self


class KeyFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    keys: Annotated[list[KeyEntry], Field(min_length=1, max_length=10_000)]
    """The keys."""


@dataclass(frozen=True)
class Principal:
    """Who is asking."""

    id: str
    """Stands for the key in rate limits; the key can't be read from it."""
    any_user: bool = False
    """True where no key is wanted, and for SIDRA_API_KEY."""
    trusted: bool = False
    """True for SIDRA_API_KEY: it speaks for many users, so only they are limited, and it may change the catalogue."""
    users: frozenset[str] = field(default_factory=frozenset)
    """Users it is bound to."""
    prefix: str = ""
    """Beginning of the ids of further users it is bound to."""

    def may(self, user_id: str) -> bool:
        """True when this caller may ask for that user."""
        return self.any_user or user_id in self.users or bool(self.prefix and user_id.startswith(self.prefix))


OPEN = Principal("open", any_user=True)
"""The caller of an API without keys."""


class KeyRing:
    """All keys in force.

    Args:
        admin: SIDRA_API_KEY.
        entries: of the keys file.
    """

    def __init__(self, admin: SecretStr | None, entries: list[KeyEntry]) -> None:
        self._keys: list[tuple[bytes, Principal]] = []
        if admin is not None:
            digest = hashlib.sha256(admin.get_secret_value().encode()).digest()
            self._keys.append((digest, Principal("admin", any_user=True, trusted=True)))
        for entry in entries:
            digest = bytes.fromhex(entry.sha256)
            bound = Principal(f"key:{entry.sha256[:16].lower()}", users=frozenset(entry.users), prefix=entry.prefix)
            self._keys.append((digest, bound))

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, given: str) -> Principal | None:
        """Whose key this is; None for an unknown one. Takes the same time wherever in the list the key stands."""
        if not given or len(given) > _LONGEST_KEY:
            return None
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        found: Principal | None = None
        for known, principal in self._keys:
            if hmac.compare_digest(known, digest) and found is None:
                found = principal
        return found


def load_keys(settings: Settings) -> KeyRing:
    """The keys of the settings; empty when there are none, and then no key is wanted.

    Raises:
        SettingsError: the file can't be read; the sentence names file and entry.
    """
    path = settings.api_keys_file
    return KeyRing(settings.api_key, read_keys(path) if path is not None else [])


def read_keys(path: Path) -> list[KeyEntry]:
    """The entries of a keys file, TOML or JSON.

    Raises:
        SettingsError: it isn't there, can't be parsed, or has an entry that can't be used.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        entries = KeyFile.model_validate(data).keys
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{_SETTING}: cannot read {path} ({type(error).__name__})") from error
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{_SETTING}: {path} is no {path.suffix or 'TOML'} file: {error}") from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SettingsError(f"{_SETTING}: {path}, {where}: {first['msg']}") from None
    if len({entry.sha256.lower() for entry in entries}) < len(entries):
        raise SettingsError(f"{_SETTING}: {path} names the same key twice; put its users into one entry")
    return entries
