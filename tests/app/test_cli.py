"""The command line: quick help, exit status, one sentence for a failure, one JSON object on standard output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.commands.serve import take_port
from recsys_core.releases.store import ReleaseStore

ROOT = Path(__file__).resolve().parents[2]
runner = CliRunner()


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIDRA_")]:
        monkeypatch.delenv(name)


def sidra(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    command = [sys.executable, "-m", "app.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, env=variables, cwd=cwd, timeout=120, check=False)


def test_help_is_quick_and_lists_every_command(tmp_path: Path) -> None:
    # Processor time, best of three: other work on the machine must not fail this.
    took = []
    for _ in range(3):
        before = os.times()
        begun = time.perf_counter()
        done = sidra("--help", cwd=tmp_path)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        took.append(min(spent, time.perf_counter() - begun))
    assert done.returncode == 0
    assert min(took) < 1.0
    for name in ("run", "import", "build", "recommend", "chat", "serve", "ui", "eval", "bench", "releases", "doctor"):
        assert f"  {name} " in done.stdout


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ("torch", "streamlit", "fastapi", "polars", "numpy", "langgraph")
    code = f"import app.cli, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_threads_that_wait_sleep_unless_told_otherwise(tmp_path: Path) -> None:
    code = "import app.cli, os; print(os.environ['OMP_WAIT_POLICY'])"
    for given, wanted in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(ROOT), **given},
            cwd=tmp_path,
            check=True,
        )
        assert done.stdout.strip() == wanted


def test_wrong_usage_is_2() -> None:
    for words in (
        ["nonsense"],
        ["recommend", "--nonsense"],
        ["recommend", "--filter", "bad"],
        ["recommend", "--filter", "{"],
        ["recommend", "--filter", '{"all_of": 3}'],
        ["recommend", "--k", "0"],
        ["recommend", "--beam", "0"],
        ["recommend", "--beam", "widest"],
        ["recommend", "--task", "dance"],
        ["chat", "--json"],
        ["import", "--items", "x.csv"],
    ):
        assert runner.invoke(cli, words).exit_code == 2, words


def test_no_release_is_one_sentence_and_1(tmp_path: Path) -> None:
    done = sidra("recommend", "--user", "42", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "sidra build" in done.stderr


def test_mis_set_variable_is_named() -> None:
    result = runner.invoke(cli, ["releases", "list"], env={"SIDRA_PORT": "eighty"})
    assert result.exit_code == 1
    assert "SIDRA_PORT" in result.stderr


def test_port_taken_names_the_setting() -> None:
    with take_port("127.0.0.1", 0, "SIDRA_PORT", "--port") as taken:
        port = str(taken.getsockname()[1])
        for words, variable in (
            (["serve", "--port", port], "SIDRA_PORT"),
            (["ui", "--port", port], "SIDRA_UI_PORT"),
            (["run", "--port", port, "--llm", "none"], "SIDRA_PORT"),
            (["run", "--ui-port", port, "--llm", "none"], "SIDRA_UI_PORT"),
        ):
            result = runner.invoke(cli, words)
            assert result.exit_code == 1, words
            assert f"port {port}" in result.stderr
            assert variable in result.stderr


def test_recommend_json_is_one_object_that_obeys_the_filter(tiny_home: Path) -> None:
    words = ["recommend", "--home", str(tiny_home), "--user", "nobody", "--k", "4", "--json"]
    result = runner.invoke(
        cli, [*words, "--filter", "year>=1990", "--filter", "genre=Comedy", "--filter", "year!=1995"]
    )
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["cold_start"]
    assert answer["items"]
    for item in answer["items"]:
        assert item["attributes"]["year"] >= 1990
        assert item["attributes"]["year"] != 1995
        assert "comedy" in [tag.lower() for tag in item["attributes"]["genre"]]


def test_recommend_searches_exactly_on_demand(tiny_home: Path) -> None:
    words = ["recommend", "--home", str(tiny_home), "--user", "nobody", "--k", "6", "--json", "--beam"]
    exact, wide = (json.loads(runner.invoke(cli, [*words, beam]).stdout) for beam in ("exact", "1000"))
    assert [i["item_id"] for i in exact["items"]] == [i["item_id"] for i in wide["items"]]
    assert exact["expanded"] > 0
    assert (exact["beam"], wide["beam"]) == (None, 1000)
    shown = runner.invoke(cli, [*words[:-2], "--beam", "exact"])
    assert f"exact: {exact['expanded']} prefixes expanded" in shown.output


def test_recommend_table_and_unknown_field(tiny_home: Path) -> None:
    result = runner.invoke(cli, ["recommend", "--home", str(tiny_home), "--k", "2"])
    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.strip().splitlines()) == 3
    result = runner.invoke(cli, ["recommend", "--home", str(tiny_home), "--filter", "colour=red"])
    assert result.exit_code == 1
    assert "genre" in result.stderr


def test_chat_in_this_process(tiny_home: Path) -> None:
    words = ["chat", "--home", str(tiny_home), "--llm", "none", "-m", "a comedy", "--k", "3", "--json"]
    result = runner.invoke(cli, words)
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["text"]
    assert len(answer["cards"]) == 3
    assert [step["node"] for step in answer["steps"]]


def test_releases_list_use_rollback(tiny_home: Path) -> None:
    current = ReleaseStore(tiny_home).current_id()
    listed = json.loads(runner.invoke(cli, ["releases", "list", "--home", str(tiny_home), "--json"]).stdout)
    assert [info["id"] for info in listed["releases"] if info["current"]] == [current]
    result = runner.invoke(cli, ["releases", "use", "nothing", "--home", str(tiny_home)])
    assert result.exit_code == 1
    assert runner.invoke(cli, ["releases", "use", str(current), "--home", str(tiny_home)]).exit_code == 0


def test_doctor_names_what_is_missing_and_hides_secrets(tmp_path: Path, tiny_home: Path) -> None:
    environment = {"SIDRA_API_KEY": "very-secret", "SIDRA_PROT": "1", "SIDRA_LLM": "none"}
    result = runner.invoke(cli, ["doctor", "--home", str(tmp_path), "--json"], env=environment)
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    checks = {check["name"]: check for check in report["checks"]}
    assert checks["release"]["state"] == "missing"
    assert "sidra build" in checks["release"]["remedy"]
    assert "SIDRA_PROT" in checks["settings"]["found"]
    assert report["settings"]["SIDRA_API_KEY"] == "(set, hidden)"
    assert "very-secret" not in result.stdout
    result = runner.invoke(cli, ["doctor", "--home", str(tiny_home)], env={"SIDRA_LLM": "none"})
    assert result.exit_code == 0, result.stdout


def test_import_own_files_then_build_says_what_is_missing(tmp_path: Path) -> None:
    items, log = tmp_path / "items.csv", tmp_path / "log.csv"
    items.write_text("sku,name,colour\n1,One,red\n2,Two,blue\n", encoding="utf-8")
    log.write_text("who,sku,when\na,1,1700000000\na,2,1700000001\na,9,1700000002\n", encoding="utf-8")
    files = [
        "import",
        "--items",
        str(items),
        "--interactions",
        str(log),
        "--home",
        str(tmp_path / "h"),
        "--name",
        "shop",
    ]
    columns = [
        "--map",
        "id=sku",
        "--map",
        "title=name",
        "--map",
        "user=who",
        "--map",
        "item=sku",
        "--map",
        "timestamp=when",
    ]
    refused = runner.invoke(cli, [*files, *columns])
    assert refused.exit_code == 1
    assert not (tmp_path / "h" / "datasets" / "shop").exists()
    result = runner.invoke(cli, [*files, *columns, "--max-bad-share", "0.5", "--noun", "things", "--json"])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["info"]["items"] == 2
    assert report["info"]["item_noun"] == "things"
    assert report["info"]["rejected"] == 1
    missing = runner.invoke(cli, ["build", "--dataset", "other", "--home", str(tmp_path / "h")])
    assert missing.exit_code == 1
    assert "sidra import" in missing.stderr
