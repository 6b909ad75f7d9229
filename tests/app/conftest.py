"""An API without models for the tests of this room, in process and on a port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import uvicorn
from app_fakes import fake_runtime
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from app.api import create_app
from app.runtime import Runtime
from app.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "app" / "chat_ui.py"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(home=tmp_path, llm="none", _env_file=None)  # type: ignore[call-arg]


@pytest.fixture
def runtime(settings: Settings) -> Runtime:
    return fake_runtime(settings)


@pytest.fixture
def api(runtime: Runtime) -> Iterator[TestClient]:
    with TestClient(create_app(runtime=runtime), raise_server_exceptions=False) as client:
        yield client


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """A real server in a thread, for clients that want a socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def address(runtime: Runtime) -> Iterator[str]:
    with listening(create_app(runtime=runtime)) as url:
        yield url


@pytest.fixture
def serve() -> Callable[[Any], Any]:
    return listening


@pytest.fixture
def page(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    def open_page(url: str = address, **query: str) -> AppTest:
        monkeypatch.setenv("SIDRA_API_URL", url)
        bench = AppTest.from_file(str(PAGE), default_timeout=30)
        for name, value in query.items():
            bench.query_params[name] = value
        return bench.run()

    st.cache_data.clear()
    st.cache_resource.clear()
    yield open_page
    st.cache_resource.clear()
