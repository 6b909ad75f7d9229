"""What `sidra build` makes of settings and a configuration file."""

from pathlib import Path

import pytest

from app.commands.data import _build_config
from app.commands.terminal import Failed
from app.settings import Settings


def test_texts_are_encoded_once_whatever_else_the_file_says(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "cache")
    assert _build_config(settings, None).text.cache_dir == tmp_path / "cache" / "text"
    own = tmp_path / "build.toml"
    own.write_text("[sids]\nlayout = 'pure'\n", encoding="utf-8")
    config = _build_config(settings, own)
    assert (config.sids.layout, config.text.cache_dir) == ("pure", tmp_path / "cache" / "text")
    own.write_text(f"[text]\ncache_dir = '{tmp_path / 'mine'}'\n", encoding="utf-8")
    assert _build_config(settings, own).text.cache_dir == tmp_path / "mine"


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    own = tmp_path / "build.toml"
    own.write_text("[train]\nepoch = 3\n", encoding="utf-8")
    with pytest.raises(Failed, match=r"build\.toml: train\.epoch"):
        _build_config(Settings(), own)
