"""`sidra serve-generator`: the lm of a release on a vLLM server, in the foreground."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.commands.stopping import Stop, stopping_on_signals
from app.commands.terminal import Failed, say

if TYPE_CHECKING:
    from recsys_core.generator.vllm.server import GeneratorServer


def register(cli: typer.Typer) -> None:
    """Add the command."""
    extra: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}
    cli.command("serve-generator", context_settings=extra)(serve_generator)


def serve_generator(
    context: typer.Context,
    release: Annotated[str | None, typer.Option(help="Release to serve; default the current one.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of releases.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port to listen on; default SIDRA_GENERATOR_PORT.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads, without a GPU.")] = 1,
    runner: Annotated[str, typer.Option(help="vLLM's model runner: v1, or v2 on a GPU.")] = "v1",
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what vLLM says instead of keeping it.")] = False,
    install_only: Annotated[
        bool, typer.Option("--install-only", help="Only install vLLM's environment (`make vllm`).")
    ] = False,
) -> None:
    """Serve a release's language model with vLLM. Flags that aren't listed here go to vLLM as they are."""
    from app.settings import load_settings
    from recsys_core.generator.vllm.environment import install, installed_python, machine_kind

    model_runner = _runner(runner)
    settings = load_settings(home=home, generator_port=port)
    port = settings.generator_port
    if install_only:
        install(settings.cache_dir, say)
        return
    from app.commands.serve import take_port
    from recsys_core.generator.vllm.served import ServedRelease
    from recsys_core.generator.vllm.server import GeneratorServer, ServerConfig
    from recsys_core.releases.store import ReleaseStore
    from recsys_core.serving.families import require_lm

    opened = ReleaseStore(settings.home).open(release)
    require_lm(opened)
    # what the plug-in would find wrong is told here, not in a server's log
    ServedRelease.load(opened.path)
    python = installed_python(settings.cache_dir)
    take_port(host, port, "SIDRA_GENERATOR_PORT", "--port").close()
    config = ServerConfig(host=host, port=port, threads=threads, runner=model_runner, gpu=machine_kind() == "gpu")
    log = None if verbose else settings.home / "logs" / f"generator-{port}.log"
    server = GeneratorServer(opened, python, config, log, context.args)
    with stopping_on_signals():
        try:
            say(f"Starting vLLM on the lm of release {opened.id}; this takes up to a minute ...")
            server.start()
            server.wait()
            say(f"ready: {server.url} answers for release {opened.id}; use it with")
            say(f"  SIDRA_GENERATOR=vllm SIDRA_VLLM_URLS={server.url} sidra serve")
            _watch(server)
        except Stop:
            say("Stopping.")
        finally:
            server.stop()


def _runner(name: str) -> Literal["v1", "v2"]:
    if name == "v1":
        return "v1"
    if name == "v2":
        return "v2"
    raise typer.BadParameter("v1 or v2", param_hint="--runner")


def _watch(server: GeneratorServer) -> None:
    while True:
        status = server.ended()
        if status is not None:
            raise Failed(f"the generator server ended with status {status}: {server.last_words()}")
        time.sleep(0.5)
