"""What the index takes on disk: measured without changing it, and without waiting for a store that is busy."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Any

from phsearch.adapters.store.lance import LanceStore
from phsearch.adapters.store.table_names import table_name
from phsearch.domain.types import TableStats
from phsearch.errors import StoreError
from phsearch.service.indexing.store_writer import StoreStats
from phsearch.service.threads import SerialExecutor
from support.store.kit import IDENTITY, PHOTOS, bytes_below, failure, opened, photo, vector
from support.time_limits import scaled

if TYPE_CHECKING:
    from pathlib import Path


def test_tables_tell_their_rows_fragments_versions_and_bytes_and_nothing_is_changed(tmp_path: Path) -> None:
    store = opened(tmp_path, IDENTITY)
    for number in range(3):
        store.apply([(photo(f"/r/{number}.jpg"), vector(number))])
    store.apply(failures=[failure("/r/bad.jpg")])
    before = bytes_below(tmp_path)
    photos, errors = store.stats()
    assert bytes_below(tmp_path) == before
    assert (photos.name, photos.rows, photos.fragments, photos.schema, photos.former) == (PHOTOS, 3, 3, 3, False)
    assert photos.versions == 4, "the empty table is one, too"
    assert (errors.name, errors.rows, errors.schema) == ("errors", 1, 3)
    assert photos.bytes + errors.bytes == sum(map(len, before.values()))
    store.optimize()
    assert store.stats()[0].fragments == 1


def test_the_tables_of_other_models_are_told_apart(tmp_path: Path) -> None:
    identity = dataclasses.replace(IDENTITY, name="ViT-B-32", pretrained="openai")
    former = LanceStore(folder=tmp_path / "index", name="ViT-B-32", pretrained="openai")
    former.create_or_check(identity)
    former.apply([(photo("/r/a.jpg"), vector(1))])
    former.close()
    (other,) = opened(tmp_path).stats()
    assert (other.name, other.former) == (table_name("photos", identity), True)
    assert other.bytes == sum(map(len, bytes_below(tmp_path).values()))


def test_without_an_index_there_are_no_stats(tmp_path: Path) -> None:
    assert opened(tmp_path).stats() == []


class SlowStore:
    """Answers when it is let, or fails."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.asked = 0
        self.fails = False

    def stats(self) -> list[TableStats]:
        self.asked += 1
        assert self.let.wait(scaled(30))
        if self.fails:
            raise StoreError("the disk is gone", "bring it back")
        return [TableStats("photos_mini", self.asked)]


def stats_of(store: Any) -> tuple[StoreStats, SerialExecutor]:
    executor = SerialExecutor("store")
    return StoreStats(store, executor), executor


def test_a_busy_store_is_not_waited_for_and_asked_only_once() -> None:
    store = SlowStore()

    async def scenario() -> None:
        stats, executor = stats_of(store)
        start = time.monotonic()
        assert not any(await asyncio.gather(stats.latest(), stats.latest(), stats.latest()))
        assert time.monotonic() - start < scaled(10)
        store.let.set()
        while not (known := await stats.latest()):
            assert time.monotonic() - start < scaled(20)
        assert known == [TableStats("photos_mini", 1)]
        assert await stats.latest() == known
        assert store.asked == 1, "what was measured a moment ago is known"
        executor.close()

    asyncio.run(scenario())


def test_a_store_that_cannot_be_measured_gives_nothing_and_is_asked_again() -> None:
    store = SlowStore()
    store.let.set()
    store.fails = True

    async def scenario() -> None:
        stats, executor = stats_of(store)
        assert await stats.latest() == []
        store.fails = False
        assert await stats.latest() == [TableStats("photos_mini", 2)]
        executor.close()

    asyncio.run(scenario())
