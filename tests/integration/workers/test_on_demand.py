"""A worker on demand: it ends when it is idle, and no answer is taken for that of another request."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

import pytest

from phsearch.errors import NotReadyError, UnreadableImageError
from phsearch.service.workers.command import WorkerCommand, WorkerSetup
from support.harness import photo, wait_until
from support.on_demand import BLUE, ENV, RED, alive, limits, look, on_demand
from support.time_limits import scaled
from support.workers import COLOUR_WORKER

if TYPE_CHECKING:
    from pathlib import Path


async def until_gone(pid: int | None) -> None:
    assert pid is not None
    await asyncio.to_thread(wait_until, lambda: not alive(pid), "the process is gone")


def test_it_starts_for_the_first_request_and_ends_when_none_comes(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand(keep_alive=0.2)
        assert worker.worker_stats.pid is None
        assert await look(worker, photo(tmp_path / "red.png", "red")) == RED
        await until_gone(worker.worker_stats.pid)
        assert worker.worker_stats.pid is None
        assert await look(worker, photo(tmp_path / "blue.png", "blue")) == BLUE, "the next request starts another"
        assert worker.worker_stats.starts == 2
        assert not worker.worker_stats.exits, "an idle stop is no failure"
        await worker.stop_now()

    asyncio.run(scenario())


def test_concurrent_requests_get_their_own_answers(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand()
        paths = [photo(tmp_path / f"{number}.png", "red" if number % 2 else "blue") for number in range(12)]
        found = await asyncio.gather(*(look(worker, path) for path in paths))
        assert found == [RED if number % 2 else BLUE for number in range(12)]
        assert worker.worker_stats.starts == 1
        await worker.stop_now()

    asyncio.run(scenario())


def test_a_cancelled_request_takes_no_answer_from_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand()
        await look(worker, photo(tmp_path / "a.png", "red"))
        request = asyncio.create_task(look(worker, photo(tmp_path / "slow.png", "red")))
        await asyncio.sleep(0.01)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert await look(worker, photo(tmp_path / "b.png", "blue")) == BLUE
        await worker.stop_now()

    asyncio.run(scenario())


def test_a_request_cancelled_twice_leaves_no_worker_behind_and_does_not_delay_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand()
        await look(worker, photo(tmp_path / "a.png", "red"))
        pid = worker.worker_stats.pid
        request = asyncio.create_task(look(worker, photo(tmp_path / "never-ends.png", "red")))
        await asyncio.sleep(0.3)
        request.cancel()
        await asyncio.sleep(0)
        request.cancel()
        assert (await asyncio.wait({request}, timeout=2))[0], "waiting for its end would take three seconds"
        assert request.cancelled()
        await until_gone(pid)
        assert await look(worker, photo(tmp_path / "b.png", "blue")) == BLUE
        await worker.stop_now()

    asyncio.run(scenario())


def test_a_request_cancelled_while_the_worker_starts_leaves_no_worker_behind(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand()
        request = asyncio.create_task(look(worker, photo(tmp_path / "a.png", "red")))
        await asyncio.sleep(0.02)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert worker.worker_stats.pid is None
        assert await look(worker, photo(tmp_path / "b.png", "blue")) == BLUE
        await worker.stop_now()

    asyncio.run(scenario())


def test_a_photo_that_crashes_it_is_reported_and_the_next_request_gets_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand()
        with pytest.raises(UnreadableImageError, match=r"did not survive it \(killed \(SIGSEGV\)\)"):
            await look(worker, photo(tmp_path / "crashes.png", "red"))
        assert await look(worker, photo(tmp_path / "fine.png", "red")) == RED
        assert worker.worker_stats.exits == {"crash": 1}
        await worker.stop_now()

    asyncio.run(scenario())


def test_it_stays_after_a_photo_that_it_cannot_decode(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand()
        (tmp_path / "words.png").write_text("words")
        with pytest.raises(UnreadableImageError, match="plain text"):
            await look(worker, tmp_path / "words.png")
        assert await look(worker, photo(tmp_path / "fine.png", "red")) == RED
        assert (worker.worker_stats.starts, worker.worker_stats.exits) == (1, {})
        await worker.stop_now()

    asyncio.run(scenario())


def test_a_photo_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand(photo_seconds=scaled(0.7))
        with pytest.raises(UnreadableImageError, match="took too long"):
            await look(worker, photo(tmp_path / "never-ends.png", "red"))
        assert worker.worker_stats.pid is None
        assert worker.worker_stats.exits == {"hang": 1}
        assert await look(worker, photo(tmp_path / "fine.png", "blue")) == BLUE
        await worker.stop_now()

    asyncio.run(scenario())


def test_a_photo_that_devours_memory_is_given_up_before_the_machine_suffers(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand(spare=300 << 20)
        with pytest.raises(UnreadableImageError, match="MB of memory to decode"):
            await look(worker, photo(tmp_path / "devours.png", "red"))
        assert worker.worker_stats.exits == {"memory": 1}
        assert await look(worker, photo(tmp_path / "fine.png", "blue")) == BLUE
        await worker.stop_now()

    asyncio.run(scenario())


def test_no_photo_is_blamed_where_there_is_no_worker(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand(program=(sys.executable, "-c", "raise SystemExit(3)"))
        with pytest.raises(NotReadyError, match="the like worker did not start: it ended with exit status 3"):
            await look(worker, photo(tmp_path / "a.png", "red"))
        assert worker.worker_stats.pid is None
        await worker.stop_now()

    asyncio.run(scenario())


def test_other_settings_count_from_the_next_request_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand()
        large = photo(tmp_path / "large.png", "red", (1200, 1000))
        with pytest.raises(UnreadableImageError, match="over the limit of 1 megapixels"):
            await look(worker, large)
        worker.reconfigure(
            WorkerCommand(WorkerSetup(tower="like", name="mini", max_megapixels=2), ENV, COLOUR_WORKER), limits()
        )
        assert await look(worker, large) == RED
        assert await look(worker, large) == RED
        assert worker.worker_stats.starts == 2
        await worker.stop_now()

    asyncio.run(scenario())


def test_it_can_be_stopped_during_a_request(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = on_demand()
        await look(worker, photo(tmp_path / "a.png", "red"))
        pid = worker.worker_stats.pid
        request = asyncio.create_task(look(worker, photo(tmp_path / "never-ends.png", "red")))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(scaled(2)):
            await worker.stop_now()
        with contextlib.suppress(UnreadableImageError):
            await request
        await until_gone(pid)

    asyncio.run(scenario())
