"""A stat takes its time, and what happens meanwhile is not lost."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest

from phsearch.domain.indexing.settle import Debouncer
from phsearch.domain.library import Library
from phsearch.domain.roots.deletion_policy import MassDeletionGuard
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.domain.types import ContentDigest, Fingerprint, PhotoFile, PhotoInfo
from phsearch.errors import TruncatedImageError
from phsearch.service.events import EventBus
from phsearch.service.indexing.deletions import Deletions
from phsearch.service.indexing.disk_reader import DiskReader
from phsearch.service.indexing.in_flight import InFlightContents
from phsearch.service.indexing.photo_index import PhotoIndex, SequenceNumbers
from phsearch.service.indexing.pipeline import RootPipeline
from phsearch.service.indexing.store_writer import StoreWriter
from phsearch.service.threads import SerialExecutor, TimeoutExecutor
from support.machine.fake_power import at_ease
from support.store.kit import NothingStored
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.indexing.batching import EmbedJob

PHOTO = "/photos/a.png"
OLD, NEW = Fingerprint(1, 1), Fingerprint(2, 2)


class SlowDisk:
    """A disk with one file, whose first answer says what was there when it was asked and comes when it may."""

    def __init__(self, state: Fingerprint | None) -> None:
        self.state = state
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.truncated = False
        """Whether the next reader finds it empty, an instant before its new content is written."""

    def stat_all(self, _tick: Callable[[], None], paths: list[str]) -> list[tuple[str, Any]]:
        seen = None if self.state is None else PhotoFile(PHOTO, self.state)
        self.asked.set()
        assert self.may_answer.wait(scaled(10))
        return [(path, seen) for path in paths]

    def open_file(self, _path: str) -> Any:
        if self.truncated:
            self.truncated, self.state = False, NEW
            raise TruncatedImageError("empty file (0 bytes)")
        found = None if self.state is None else ContentDigest(self.state, bytes([self.state.size]) * 16)
        return mock.Mock(result=lambda: found)


class UnreadQueue:
    """Takes photos to be embedded, and does nothing with them."""

    def __init__(self) -> None:
        self.jobs: list[EmbedJob] = []

    def submit_job(self, job: EmbedJob) -> None:
        self.jobs.append(job)

    def embed_position(self, path: str) -> int | None:
        """No photo waits."""

    async def wait_for_space(self, most: int) -> None:
        """There is space."""


def during_the_first_stat(disk: SlowDisk, happens: Callable[[RootPipeline], None]) -> tuple[Library, list[EmbedJob]]:
    """Check a known photo; return the library and the jobs after what `happens` before the disk answers."""

    async def scenario() -> tuple[Library, list[EmbedJob]]:
        executor = SerialExecutor("all")
        no_store: Any = None
        photo_index = PhotoIndex(
            library=Library(),
            index=VectorIndex(),
            rank_executor=executor,
            store=NothingStored(),  # type: ignore[arg-type]
            unrooted={},
            store_executor=executor,
            writer=StoreWriter(store=no_store, executor=executor, idle=lambda: True),
            events=EventBus(),
            roots=Roots(["/photos"]),
            decoder="v1",
            sequence=SequenceNumbers(saved=0, save=lambda _number: None),
        )
        photo_index.add_photo(PHOTO, OLD, bytes([1]) * 16, PhotoInfo(1, 1, "PNG"), np.ones(4, np.float32))
        queue = UnreadQueue()
        pipeline = RootPipeline(
            root="/photos",
            disk=DiskReader(executor=TimeoutExecutor("disk", 10), stat_all=disk.stat_all, open_file=disk.open_file),
            debouncer=Debouncer(0.05),
            photo_index=photo_index,
            deletions=Deletions(
                root="/photos",
                guard=MassDeletionGuard(),
                library=photo_index.library,
                remove=photo_index.remove_photos,
                on_mass_deletion=lambda: None,
            ),
            embed_queue=queue,
            in_flight=InFlightContents(photo_index.cache_vector),
            decoder="decoder",
            throttle=at_ease(),
            activity=asyncio.Event(),
        )
        running = asyncio.ensure_future(pipeline.run())
        pipeline.check_now(PHOTO)
        await asyncio.to_thread(disk.asked.wait, 10)
        happens(pipeline)
        disk.may_answer.set()
        async with asyncio.timeout(scaled(10)):
            while pipeline.pending and not queue.jobs:  # noqa: ASYNC110 - what changes has no event
                await asyncio.sleep(0.01)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        executor.close()
        return photo_index.library, queue.jobs

    return asyncio.run(scenario())


def test_a_photo_that_goes_while_it_is_checked_is_gone() -> None:
    disk = SlowDisk(OLD)

    def goes(pipeline: RootPipeline) -> None:
        disk.state = None
        pipeline.check_now(PHOTO)

    library, _ = during_the_first_stat(disk, goes)
    assert PHOTO not in library


@pytest.mark.parametrize("first", [OLD, None])
def test_a_photo_that_is_written_while_it_is_checked_is_read(first: Fingerprint | None) -> None:
    disk = SlowDisk(first)

    def is_written(pipeline: RootPipeline) -> None:
        disk.state = NEW
        pipeline.file_changed(PHOTO, closed=True)

    _, embedded = during_the_first_stat(disk, is_written)
    assert [each.fingerprint for each in embedded] == [NEW]


def test_a_photo_that_is_read_between_its_truncation_and_its_writing_is_read_again() -> None:
    disk = SlowDisk(OLD)

    def is_rewritten(pipeline: RootPipeline) -> None:
        disk.truncated, disk.state = True, Fingerprint(0, 2)
        pipeline.file_changed(PHOTO, closed=True)

    library, embedded = during_the_first_stat(disk, is_rewritten)
    assert library.failure(PHOTO) is None
    assert [each.fingerprint for each in embedded] == [NEW]
