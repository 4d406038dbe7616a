"""A task that waits with a time-out ends when it is cancelled, also in the moment in which it is woken."""

from __future__ import annotations

import asyncio

import pytest

from phsearch.service.indexing.store_writer import StoreWriter
from phsearch.service.threads import SerialExecutor
from support.time_limits import scaled


@pytest.mark.parametrize("turns", range(8))
def test_a_writer_that_is_woken_and_cancelled_at_once_ends(turns: int) -> None:
    async def scenario() -> None:
        executor = SerialExecutor("store")
        # Never idle, so that it would wait for seconds before it uses its store, which does not exist.
        writer = StoreWriter(store=None, executor=executor, idle=lambda: False)  # type: ignore[arg-type]
        running = asyncio.ensure_future(writer.run())
        await asyncio.sleep(0.01)
        writer.delete_photo("/photos/x.png")
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running}, timeout=scaled(5))
        assert running.cancelled()
        executor.close()

    asyncio.run(scenario())
