"""A call that hangs delays only its caller, and only until its time-out."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from phsearch.service.threads import TimeoutExecutor
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = scaled(0.2)


def test_a_call_returns_or_raises_as_it_does_directly() -> None:
    def broken(_progress: Callable[[], None]) -> None:
        raise PermissionError(13, "no")

    async def scenario() -> None:
        disk = TimeoutExecutor("test", scaled(5))
        assert await disk.run(lambda _progress, left, right: left + right, 1, 2) == 3
        with pytest.raises(PermissionError):
            await disk.run(broken)

    asyncio.run(scenario())


def test_a_call_that_hangs_times_out_and_all_others_fail_at_once_until_it_returns() -> None:
    async def scenario() -> None:
        release, hangs = threading.Event(), []
        disk = TimeoutExecutor("test", SECONDS, max_concurrent=1, on_hang=lambda disk: hangs.append(disk.stalled))
        with pytest.raises(TimeoutError, match=re.escape(f"has not answered for {SECONDS:g} s")):
            await disk.run(lambda _progress: release.wait())
        assert hangs == [True]
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await disk.run(lambda _progress: pytest.fail("no call reaches a disk that hangs"))
        assert time.monotonic() - began < SECONDS / 2
        release.set()
        async with asyncio.timeout(scaled(10)):
            while disk.stalled:  # noqa: ASYNC110 - the thread comes back when it does
                await asyncio.sleep(0.01)
        assert await disk.run(lambda _progress: "back") == "back"

    asyncio.run(scenario())


def test_a_call_that_makes_progress_may_take_long() -> None:
    def slow(progress: Callable[[], None]) -> str:
        for _ in range(8):
            time.sleep(SECONDS / 4)
            progress()
        return "done"

    async def scenario() -> None:
        assert await TimeoutExecutor("test", SECONDS).run(slow) == "done"

    asyncio.run(scenario())


def test_a_thread_that_hangs_does_not_keep_the_process() -> None:
    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            await TimeoutExecutor("test", 0.05).run(lambda _progress: threading.Event().wait())

    asyncio.run(scenario())
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "test")


def test_a_machine_that_starts_no_more_threads_is_said_to_be_at_fault() -> None:
    async def scenario() -> None:
        executor = TimeoutExecutor("disk", 10)
        with (
            mock.patch("threading.Thread.start", side_effect=RuntimeError("can't start new thread")),
            pytest.raises(BlockingIOError, match="no more threads"),
        ):
            await executor.run(lambda _tick: None)
        assert await executor.run(lambda _tick: 7) == 7, "and goes on"

    asyncio.run(scenario())
