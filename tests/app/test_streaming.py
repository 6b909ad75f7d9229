"""The pump: one task for its source, beats while nothing comes, clean-up when it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.streaming import Pump


async def test_hands_on_in_order_and_ends() -> None:
    async def source() -> AsyncGenerator[int, None]:
        for number in range(3):
            yield number

    assert [thing async for thing in Pump(source()).beats(5)] == [0, 1, 2]


async def test_source_runs_in_one_task() -> None:
    tasks = set()

    async def source() -> AsyncGenerator[int, None]:
        for number in range(3):
            tasks.add(asyncio.current_task())
            async with asyncio.timeout(5):
                yield number

    pump = Pump(source())
    assert [await pump.get(), await pump.get()] == [0, 1]
    assert len(tasks) == 1
    await pump.aclose()


async def test_beats_while_nothing_comes_and_loses_nothing() -> None:
    async def source() -> AsyncGenerator[int, None]:
        await asyncio.sleep(0.1)
        yield 1

    seen = [thing async for thing in Pump(source()).beats(0.03)]
    assert seen[0] is None
    assert [thing for thing in seen if thing is not None] == [1]


async def test_error_of_the_source_is_raised() -> None:
    async def source() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("no")

    pump = Pump(source())
    assert await pump.get() == 1
    with pytest.raises(ValueError, match="no"):
        await pump.get()


async def test_closing_cancels_and_cleans_up() -> None:
    cleaned = asyncio.Event()

    async def source() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            cleaned.set()

    pump = Pump(source())
    beats = pump.beats(5)
    assert await anext(beats) == 1
    await beats.aclose()
    assert cleaned.is_set()
