"""What waits with a time-out ends when it is cancelled, also in the very moment in which it is woken."""

from __future__ import annotations

import asyncio

import pytest

from phsearch.service.indexing.store_writer import Writer
from phsearch.service.threads import Lane


@pytest.mark.parametrize("turns", range(8))
def test_a_writer_that_is_woken_and_told_to_end_at_once_ends(turns: int) -> None:
    async def scenario() -> None:
        lane = Lane("store")
        # Never idle, so that it would gather for seconds before it asks for its store, which there is none of.
        writer = Writer(None, lane, idle=lambda: False)  # type: ignore[arg-type]
        running = asyncio.ensure_future(writer.run())
        await asyncio.sleep(0.01)
        writer.delete("/photos/x.png")
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running}, timeout=1)
        assert running.cancelled()
        lane.close()

    asyncio.run(scenario())
