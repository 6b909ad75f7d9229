"""An API of one's own whose conversations are nobody's: they lie in a folder that is gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from eval.server import api_server
from recsys_core.errors import ConfigError


@contextmanager
def scratch_api(home: Path, settings: Mapping[str, str], api_key: str | None = None) -> Iterator[str]:
    """Start an API on the releases of a home folder, with conversations, thumbs and memories of its own.

    Args:
        home: holds the releases; only read.
        settings: further settings without prefix.
        api_key: bearer key, when the settings in force want one.

    Yields:
        Address of the API.

    Raises:
        ConfigError: there are no releases.
        ServerError: the API didn't start.
    """
    with scratch_home(home) as scratch:
        # releases are shared, so nothing may be merged into them on the way
        whole = {**settings, "home": str(scratch), "merge_after": "0"}
        with api_server(whole, api_key=api_key) as address:
            yield address


@contextmanager
def scratch_home(home: Path) -> Iterator[Path]:
    """A folder that shows the releases of a home folder and nothing else of it.

    Raises:
        ConfigError: there are no releases.
    """
    releases = (home / "releases").resolve()
    if not releases.is_dir():
        raise ConfigError(f"there is no release in {home}; run `sidra build` or set SIDRA_HOME")
    with tempfile.TemporaryDirectory(prefix="sidra-eval-") as folder:
        scratch = Path(folder)
        (scratch / "releases").symlink_to(releases, target_is_directory=True)
        yield scratch
