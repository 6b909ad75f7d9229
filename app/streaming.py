"""Ending work when the one who asked for it has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, Generic, TypeVar, cast

from fastapi import Request

from app.failures import ApiError

Thing = TypeVar("Thing")


class Pump(Generic[Thing]):
    """Runs an async iterator in one task of its own and hands its things on.

    One task, because timeouts and cancel scopes inside the iterator belong to the task that entered them. What is not
    fetched waits in the queue, so an abandoned pump ends by itself; `aclose` ends it at once.

    Args:
        source: what to run; closed at the end, however that comes.
    """

    def __init__(self, source: AsyncGenerator[Thing, None]) -> None:
        self._things: asyncio.Queue[tuple[Thing | None, BaseException | None, bool]] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(source), name="turn")

    async def _run(self, source: AsyncGenerator[Thing, None]) -> None:
        try:
            async with aclosing(source):
                async for thing in source:
                    self._things.put_nowait((thing, None, False))
        except Exception as error:
            self._things.put_nowait((None, error, True))
        else:
            self._things.put_nowait((None, None, True))

    async def get(self) -> Thing:
        """The next thing.

        Raises:
            StopAsyncIteration: there is none.
            Exception: whatever the source raised.
        """
        thing, error, ended = await self._things.get()
        if error is not None:
            raise error
        if ended:
            raise StopAsyncIteration
        return cast(Thing, thing)

    async def beats(self, every_s: float) -> AsyncGenerator[Thing | None, None]:
        """All further things, and None whenever `every_s` seconds pass without one. Closing it stops the source."""
        try:
            while True:
                try:
                    async with asyncio.timeout(every_s):
                        thing = await self.get()
                except TimeoutError:
                    yield None
                    continue
                except StopAsyncIteration:
                    return
                yield thing
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Cancel the source and wait until it has cleaned up."""
        self._task.cancel()
        await asyncio.wait([self._task])


async def until_gone(work: Coroutine[Any, Any, Thing], request: Request, every_s: float = 0.25) -> Thing:
    """The result of `work`, which is cancelled when the client closes the connection.

    Raises:
        ApiError: 499, to nobody, when the client went away.
    """
    task = asyncio.ensure_future(work)
    try:
        while True:
            done, _ = await asyncio.wait([task], timeout=every_s)
            if done:
                return task.result()
            if await request.is_disconnected():
                raise ApiError(499, "client_gone", "the client closed the connection")
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
