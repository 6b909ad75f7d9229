"""The context says what is needed to repeat a measurement and nothing about the person or the machine's name."""

import json
import math
import platform
import re

import pytest

from eval.figures import Report, command_line, git_commit, make_context, percentiles


def test_context_holds_no_host_name_no_user_and_no_path(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/opt/venv/bin/sidra", "eval", "offline", "--html", "/home/ann/out.html"])
    text = make_context(seed=3, release="r1").model_dump_json()
    assert json.loads(text)["command"] == "sidra eval offline --html out.html"
    assert "ann" not in json.loads(text)["command"]
    node = platform.node()
    assert not node or len(node) < 4 or node not in text


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/a/b/app/cli.py", "bench", "generate"], "sidra bench generate"),
        (["sidra", "--home=/srv/x/var", "--k", "5"], "sidra --home=var --k 5"),
        (["sidra", "~/secret/data.csv", "../up/file"], "sidra data.csv file"),
        ([], ""),
    ],
)
def test_command_line_loses_its_folders(argv, expected):
    assert command_line(argv) == expected


def test_commit_is_short_and_marks_changes():
    assert re.fullmatch(r"([0-9a-f]{10,12}(\+changes)?)?", git_commit())


def test_json_has_no_nan():
    report = Report(figures={"a": 1.0, "b": math.nan}, context=make_context(seed=0, command="x"))
    assert json.loads(report.to_json())["figures"] == {"a": 1.0, "b": None}


def test_percentiles():
    assert percentiles([], "latency_ms") == {}
    assert percentiles(list(range(1, 102)), "latency_ms") == {"latency_ms_p50": 51.0, "latency_ms_p99": 100.0}
