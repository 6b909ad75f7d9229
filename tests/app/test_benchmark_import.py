"""`sidra import --benchmark`: a research set becomes a data set like any other."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.commands.benchmark_data import ORDER_ONLY
from recsys_core.catalog.dataset import load_dataset
from recsys_core.errors import ConfigError, DataError

runner = CliRunner()


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIDRA_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "sets" / "amazon14_sports"
    folder.mkdir(parents=True)
    (folder / "sequences.txt.gz").write_bytes(gzip.compress(b"a 3 1 2\nb 2 3\n"))
    (folder / "item_attribute_ids.json.gz").write_bytes(gzip.compress(b'{"1": [4], "2": [4, 9]}'))
    return tmp_path / "sets"


def test_the_data_set_can_be_loaded_and_says_where_it_came_from(data_dir: Path) -> None:
    words = ["import", "--benchmark", "sports", "--data-dir", str(data_dir), "--json"]
    done = runner.invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["info"]["name"] == "sports"
    assert "Sports and Outdoors" in report["info"]["source"]
    assert "research" in report["info"]["licence"]
    assert report["notes"] == [ORDER_ONLY]
    catalogue, log, info = load_dataset(Path("var/datasets/sports"))
    assert catalogue.ids == ["1", "2", "3"]
    assert log.sequence(0).tolist() == [2, 0, 1]
    assert info.item_noun == "sports articles"


def test_folder_from_the_environment_and_a_name_and_noun_of_ones_own(data_dir: Path, monkeypatch) -> None:
    monkeypatch.setenv("SIDRA_DATA_DIR", str(data_dir))
    done = runner.invoke(cli, ["import", "--benchmark", "sports", "--name", "gear", "--noun", "things"])
    assert done.exit_code == 0
    assert "Next: sidra build --dataset gear" in done.output
    assert load_dataset(Path("var/datasets/gear"))[2].item_noun == "things"


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--benchmark", "sports"], ConfigError, "SIDRA_DATA_DIR"),
        (["--benchmark", "movies", "--data-dir", "sets"], ConfigError, "beauty, scientific, sports"),
        (["--benchmark", "beauty", "--data-dir", "sets"], DataError, "docs/data.md"),
        (["--benchmark", "sports", "--data-dir", "sets", "--name", "../out"], DataError, "can't name a data set"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_written(data_dir: Path, words, error, message) -> None:
    done = runner.invoke(cli, ["import", *words])
    assert done.exit_code == 1
    assert isinstance(done.exception, (error, SystemExit))
    assert message in str(done.exception) + done.output
    assert not Path("var/datasets").exists() or not list(Path("var/datasets").iterdir())


def test_a_benchmark_and_files_of_ones_own_exclude_each_other(data_dir: Path) -> None:
    Path("f.csv").write_text("id\n")
    done = runner.invoke(cli, ["import", "--benchmark", "sports", "--items", "f.csv", "--interactions", "f.csv"])
    assert done.exit_code == 2
