"""The HTTP API: one app, one runtime. Routes live in `app.routes`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import failures
from app.keys import load_keys
from app.limits import RateLimit
from app.middleware import BodyLimit, Callers, Measure
from app.routes import (
    balance,
    calm,
    chat,
    health,
    info,
    items,
    memory,
    profiles,
    reading,
    recommend,
    threads,
    tuning,
    users,
)
from app.runtime import Runtime
from app.settings import Settings, load_settings
from app.tracing import Trace, exported

_DESCRIPTION = 'Recommendations by conversation. Errors are `{"error": {"type", "message", "param"}}`.'


def create_app(settings: Settings | None = None, runtime: Runtime | None = None) -> FastAPI:
    """The API.

    Args:
        settings: what is in force; None reads the environment.
        runtime: what to serve from; None opens the current release in the background once the port is open.

    Raises:
        SettingsError: the file of keys can't be used.
    """
    settings = settings or (runtime.settings if runtime is not None else load_settings())
    runtime = runtime or Runtime(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with exported(settings.otel_endpoint):
            runtime.start()
            try:
                yield
            finally:
                await runtime.close()

    app = FastAPI(title="Sidra", version=info.version(), description=_DESCRIPTION, lifespan=lifespan)
    app.state.runtime = runtime
    app.state.user_limit = RateLimit(settings.rate)
    failures.install(app)
    everything = (
        health,
        info,
        recommend,
        chat,
        items,
        users,
        profiles,
        memory,
        threads,
        calm,
        reading,
        balance,
        tuning,
    )
    for module in everything:
        app.include_router(module.router)
    # The last one added is the first one passed.
    app.add_middleware(BodyLimit, limit=settings.body_bytes)
    app.add_middleware(Callers, keys=load_keys(settings), limit=RateLimit(settings.rate))
    app.add_middleware(Measure, metrics=runtime.metrics)
    app.add_middleware(Trace)
    return app
