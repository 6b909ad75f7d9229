"""`sidra run`: everything from nothing to a conversation; what is there already is not done again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.data import build_dataset, import_films, tell_import
from app.commands.serve import ROOT, page_command, page_environment, take_port
from app.commands.terminal import Bar, Failed, say

if TYPE_CHECKING:
    from app.settings import Settings

_GRACE_S = 10.0


class _Stop(Exception):
    """Somebody asked to stop."""


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("run")(run)


def run(
    llm: Annotated[str | None, typer.Option(help="embedded, none, openai or scripted.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API.")] = None,
    ui_port: Annotated[int | None, typer.Option(help="Port of the page.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of data sets and releases.")] = None,
) -> None:
    """Import data and build a release if there is none, fetch the language model, start API and page."""
    from app.settings import load_settings

    settings = load_settings(llm=llm, port=port, ui_port=ui_port, host=host, home=home)
    # Before minutes of building, not after.
    for number, variable, flag in (
        (settings.port, "SIDRA_PORT", "--port"),
        (settings.ui_port, "SIDRA_UI_PORT", "--ui-port"),
    ):
        take_port(settings.host, number, variable, flag).close()
    ensure_release(settings)
    ensure_language_model(settings)
    with _stopping_on_signals():
        children: dict[str, subprocess.Popen[bytes]] = {}
        try:
            _start(settings, children)
            _wait_until_ready(settings, children)
            say("")
            say(f"Sidra is ready: {settings.page_url}")
            say(f"API and its documentation: {settings.client_url}/docs · stop with Ctrl-C")
            _watch(children)
        except _Stop:
            say("\nStopping.")
        finally:
            _stop_all(children)


def ensure_release(settings: Settings) -> None:
    """Import and build what is missing."""
    from recsys_core.releases.store import ReleaseStore

    store = ReleaseStore(settings.home)
    if store.current_id() is not None:
        say(f"Release {store.open().id} is there.")
        return
    folder = settings.home / "datasets" / settings.dataset
    if (folder / "dataset.json").is_file():
        say(f"Data set {settings.dataset} is there.")
    elif settings.dataset == "movielens-100k":
        say("Importing MovieLens-100K and film facts ...")
        tell_import(import_films(settings))
    else:
        raise Failed(
            f"no data set {settings.dataset!r} in {settings.home / 'datasets'}; make it with `sidra import`, "
            "or unset SIDRA_DATASET"
        )
    say("Building a release: vectors, semantic IDs, index, generator. This takes a few minutes ...")
    build_dataset(settings, folder, with_lm=settings.generator == "lm")


def ensure_language_model(settings: Settings) -> None:
    """Fetch the embedded model's weights when they are wanted and not there."""
    if settings.llm != "embedded":
        say(
            "Without a language model: answers come from rules."
            if settings.llm == "none"
            else f"Language model: {settings.llm}."
        )
        return
    from agents.llm.weights import ensure_weights, find_weights

    if find_weights(settings.cache_dir, settings.llm_gguf) is not None:
        say("Language model is there.")
        return
    say("Fetching the language model (1.1 GB, once) ...")
    with Bar(verbose=False) as bar:
        ensure_weights(settings.cache_dir, bar, gguf=settings.llm_gguf)


def _start(settings: Settings, children: dict[str, subprocess.Popen[bytes]]) -> None:
    environment = os.environ | page_environment(settings)
    serving = environment | {
        "SIDRA_HOME": str(settings.home),
        "SIDRA_LLM": settings.llm,
        "SIDRA_GENERATOR": settings.generator,
        "SIDRA_HOST": settings.host,
        "SIDRA_PORT": str(settings.port),
    }
    say("Starting API and page ...")
    commands = {
        "API": ([sys.executable, "-m", "app.cli", "serve"], serving, Path.cwd()),
        "page": (page_command(settings), environment, ROOT),
    }
    for name, (command, variables, folder) in commands.items():
        # Sessions of their own: Ctrl-C reaches this process only, which then stops them in order.
        children[name] = subprocess.Popen(
            command,
            env=variables,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )


def _wait_until_ready(settings: Settings, children: dict[str, subprocess.Popen[bytes]]) -> None:
    import httpx

    from app.client import SidraClient, Unreachable

    told: set[str] = set()
    with SidraClient(settings.client_url, settings.key) as client, httpx.Client(trust_env=False, timeout=2.0) as web:
        while True:
            _check(children)
            try:
                state = client.ready()
            except Unreachable:
                time.sleep(0.2)
                continue
            for name, stage in state["stages"].items():
                if stage["state"] in {"ready", "off", "failed"} and name not in told:
                    told.add(name)
                    say(
                        f"  {name.replace('_', ' ')}: {stage['state']}"
                        + (f" ({stage['detail']})" if stage["detail"] else "")
                    )
            busy = any(stage["state"] in {"waiting", "loading"} for stage in state["stages"].values())
            if not state["ready"] and not busy:
                raise Failed(state["message"])
            if state["ready"] and _answers(web, f"{settings.page_url}/_stcore/health"):
                return
            time.sleep(0.2)


def _answers(web: object, address: str) -> bool:
    import httpx

    assert isinstance(web, httpx.Client)
    try:
        return web.get(address).status_code == 200
    except httpx.HTTPError:
        return False


def _check(children: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, child in children.items():
        status = child.poll()
        if status is not None:
            raise Failed(
                f"the {name} ended with status {status}; what it said stands above, `sidra doctor` may tell more"
            )


def _watch(children: dict[str, subprocess.Popen[bytes]]) -> None:
    while True:
        _check(children)
        time.sleep(0.5)


def _stop_all(children: dict[str, subprocess.Popen[bytes]]) -> None:
    running = [child for child in children.values() if child.poll() is None]
    for child in running:
        child.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    for child in running:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def _stopping_on_signals() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        # A second signal must not break the stopping.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise _Stop

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
