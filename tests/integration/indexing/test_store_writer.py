"""Write-behind against a store that refuses at times."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from phsearch.domain.types import RefusedRow, Volume
from phsearch.errors import StoreError
from phsearch.service.indexing import store_writer
from phsearch.service.indexing.store_writer import StoreWriter
from phsearch.service.threads import SerialExecutor
from support.store.kit import failure, photo, vector
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    import pytest

    from phsearch.domain.types import Failure

FULL = StoreError("no space left for the index in /x", "free some disk space")


class FullAtTimes:
    """A store in memory whose next calls fail as often as they are told to."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.failed: set[str] = set()
        self.volumes: set[str] = set()
        self.writes = 0
        self.needs_optimize = True
        self.refused_writes = 0
        self.refused_volumes = 0
        self.refused_optimizes = 0
        self.optimized = 0
        self.unwritable: set[str] = set()
        self.left: list[float] = []
        """What `optimize` says of what it leaves, call by call; nothing at the end."""

    def apply(
        self, photos: Iterable[Any], *, failures: Iterable[Failure], deletes: Collection[str], **_: object
    ) -> list[RefusedRow]:
        self.writes += 1
        if self.refused_writes:
            self.refused_writes -= 1
            raise FULL
        written, failed = {each.path for each, _ in photos}, {each.path for each in failures}
        self.paths.update(written - self.unwritable)
        self.paths.difference_update(deletes)
        self.failed.update(failed - self.unwritable)
        return [RefusedRow(path, "its width") for path in sorted((written | failed) & self.unwritable)]

    def apply_volumes(self, upserts: Iterable[Volume], _deletes: Collection[str]) -> None:
        if self.refused_volumes:
            self.refused_volumes -= 1
            raise FULL
        self.volumes.update(each.path for each in upserts)

    def optimize(self) -> float | None:
        if self.refused_optimizes:
            self.refused_optimizes -= 1
            raise FULL
        self.optimized += 1
        self.needs_optimize = False
        return self.left.pop(0) if self.left else None


def run(store: FullAtTimes, talk: Callable[[StoreWriter], Any]) -> None:
    async def main() -> None:
        executor = SerialExecutor("store")
        under_test = StoreWriter(store=store, executor=executor, idle=lambda: True)  # type: ignore[arg-type]
        task = asyncio.create_task(under_test.run())
        try:
            async with asyncio.timeout(scaled(10)):
                await talk(under_test)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            executor.close()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what changes has no event
        await asyncio.sleep(0.005)


def test_what_a_full_disk_refused_is_written_when_there_is_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "_RETRY_FIRST", 0.01)
    store = FullAtTimes()
    store.refused_writes = 3

    async def talk(under_test: StoreWriter) -> None:
        under_test.put_photo(photo("/r/a"), vector(1))
        await until(lambda: under_test.problem is not None)
        under_test.put_photo(photo("/r/b"), vector(2))
        await until(lambda: under_test.pending == 0 and under_test.problem is None)
        assert store.paths == {"/r/a", "/r/b"}

    run(store, talk)


def test_a_row_that_the_store_cannot_hold_stops_no_other() -> None:
    store = FullAtTimes()
    store.unwritable = {"/r/b", "/r/d", "/r/bad"}
    store.paths = {"/r/gone"}

    async def talk(under_test: StoreWriter) -> None:
        for number, name in enumerate("abcd"):
            under_test.put_photo(photo(f"/r/{name}"), vector(number))
        under_test.put_failure(failure("/r/bad"))
        under_test.put_failure(failure("/r/broken"))
        under_test.delete_photo("/r/gone")
        under_test.put_volume(Volume("/r", "/r", "x", 1.0))
        await under_test.flush()
        assert (store.paths, store.failed, store.volumes) == ({"/r/a", "/r/c"}, {"/r/broken"}, {"/r"})
        assert under_test.pending == 0
        assert under_test.problem is None
        refused = [under_test.refused.get_nowait() for _ in range(under_test.refused.qsize())]
        assert [(each.path, said) for each, said in refused] == [("/r/b", "its width"), ("/r/d", "its width")]

    run(store, talk)


def test_photos_failures_and_volumes_go_in_one_write_and_nothing_is_written_for_nothing() -> None:
    store = FullAtTimes()

    async def talk(under_test: StoreWriter) -> None:
        under_test.put_photo(photo("/r/a"), vector(1))
        under_test.put_failure(failure("/r/bad"))
        under_test.put_volume(Volume("/r", "/r", "x", 1.0))
        await under_test.flush()
        assert (store.paths, store.failed, store.volumes) == ({"/r/a"}, {"/r/bad"}, {"/r"})
        await under_test.flush()
        assert store.writes == 1

    run(store, talk)


def test_a_batch_whose_volumes_are_refused_is_written_again_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "_RETRY_FIRST", 0.01)
    store = FullAtTimes()
    store.refused_volumes = 1

    async def talk(under_test: StoreWriter) -> None:
        under_test.put_photo(photo("/r/a"), vector(1))
        under_test.put_volume(Volume("/r", "/r", "x", 1.0))
        await until(lambda: under_test.problem is not None)
        assert under_test.pending == 1
        await until(lambda: under_test.problem is None)
        assert (store.writes, store.volumes, under_test.pending) == (2, {"/r"}, 0)

    run(store, talk)


def test_optimizing_that_fails_loses_nothing_and_the_trouble_ends_when_it_succeeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_writer, "_RETRY_FIRST", 0.01)
    monkeypatch.setattr(store_writer, "_OPTIMIZE_AFTER_IDLE", 0.05)
    store = FullAtTimes()
    store.refused_optimizes = 1

    async def talk(under_test: StoreWriter) -> None:
        under_test.put_photo(photo("/r/a"), vector(1))
        await until(lambda: under_test.problem is not None)
        assert store.paths == {"/r/a"}
        await until(lambda: under_test.problem is None)
        assert store.optimized == 1

    run(store, talk)


def test_what_a_kill_left_behind_is_optimized_after_the_start_though_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_writer, "_OPTIMIZE_AFTER_IDLE", 0.05)
    store = FullAtTimes()

    async def talk(_under_test: StoreWriter) -> None:
        await until(lambda: store.optimized == 1)

    run(store, talk)


def test_what_is_too_young_to_be_dropped_is_dropped_later_and_then_there_is_peace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_writer, "_OPTIMIZE_AFTER_IDLE", 0.02)
    monkeypatch.setattr(store_writer, "_SLACK", 0.01)
    store = FullAtTimes()
    store.left = [0.02, 0.02]

    async def talk(_under_test: StoreWriter) -> None:
        await until(lambda: store.optimized == 3)
        await asyncio.sleep(0.2)
        assert store.optimized == 3

    run(store, talk)
