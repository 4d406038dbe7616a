"""The parts of one daemon for a test: real ones, except a watcher and an image worker that the test directs."""

from __future__ import annotations

import asyncio
import functools
import math
import os
from typing import TYPE_CHECKING, cast

import numpy as np

from phsearch.adapters.images import PillowDecoder
from phsearch.adapters.linux.mounts import MountTable
from phsearch.adapters.state.json_files import RemovedFile
from phsearch.adapters.store.lance import LanceStore
from phsearch.config import WatchConfig
from phsearch.daemon import compose_index
from phsearch.domain.indexing.batching import ChangedMeanwhile, Embedded, Unreadable
from phsearch.domain.roots.roots import Roots
from phsearch.domain.types import Fingerprint, ModelIdentity
from phsearch.errors import UnreadableImageError
from phsearch.safe_open import DigestReader
from phsearch.service.events import EventBus
from phsearch.service.indexing.in_flight import InFlightContents
from phsearch.service.indexing.photo_index import PhotoIndex, SequenceNumbers
from phsearch.service.indexing.router import PipelineRouter
from phsearch.service.indexing.store_writer import StoreWriter
from phsearch.service.roots.event_dispatcher import FsEventDispatcher
from phsearch.service.roots.manager import RootManager
from phsearch.service.roots.removed_roots import RemovedRoots
from phsearch.service.roots.root_monitors import RootMonitors
from phsearch.service.roots.shared import SharedParts
from phsearch.service.roots.sync_barrier import SyncBarrier
from phsearch.service.threads import SerialExecutor
from support.machine.fake_power import at_ease
from support.workers.colour import PREPROCESS, photo_vector

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from phsearch.domain.indexing.batching import EmbedJob, EmbedResult
    from phsearch.domain.indexing.failure_kind import FailureScope
    from phsearch.domain.roots.mounts import Mounts
    from phsearch.domain.types import ContentDigest
    from phsearch.domain.watch_events import FsEvent
    from phsearch.service.workers.image_worker import ImageWorker

QUICK = WatchConfig(settle_seconds=0.05)
IDENTITY = ModelIdentity("colour", "", "colours", "32", 4)


class ScriptedWatcher:
    """Knows which roots it watches. The test itself delivers the events."""

    def __init__(self) -> None:
        self.watched: set[str] = set()

    def start(self, emit: Callable[[FsEvent], None]) -> None:
        """Nothing to start."""

    def add_root(self, root: str) -> None:
        """Watch a root that is there."""
        os.stat(root)
        self.watched.add(root)

    def remove_root(self, root: str) -> None:
        """Watch it no longer."""
        self.watched.discard(root)

    def send_mark(self, token: int) -> bool:
        """Promise nothing."""
        return token < 0

    def watch_counts(self, root: str) -> tuple[int, int] | None:
        """Count nothing."""

    def close(self) -> None:
        """Nothing to stop."""


def digest_of(path: str, root: str | None = None) -> ContentDigest | None:
    """Return fingerprint and digest of a file now; `root` as in open_regular."""
    reader = DigestReader(path, limit=1 << 30, root=root)
    try:
        assert reader.read_for(math.inf)
        return reader.result()
    finally:
        reader.close()


class ScriptedImageWorker:
    """Embeds photos when the test says so, in any order, and delivers the results later still."""

    def __init__(self, forward_passes: Counter[bytes], on_result: Callable[[EmbedResult], None]) -> None:
        self._on_result = on_result
        self.running = False
        self._forward_passes = forward_passes
        self._decoder = PillowDecoder(1_000_000)
        self._waiting: list[EmbedJob] = []
        self._found: list[EmbedResult] = []
        self.fails_once: dict[str, FailureScope] = {}

    def submit_job(self, job: EmbedJob) -> None:
        """Queue a photo."""
        self._waiting.append(job)

    def withdraw_root(self, root: str, *, hung: bool) -> None:
        """Return what waits in a root that is gone as changed."""
        assert not hung
        gone = [photo for photo in self._waiting if photo.root == root]
        self._waiting = [photo for photo in self._waiting if photo.root != root]
        for photo in gone:
            self._on_result(ChangedMeanwhile(photo))

    @property
    def pending(self) -> int:
        """Photos whose result is still to come."""
        return len(self._waiting) + len(self._found)

    async def wait_for_space(self, most: int) -> None:
        """Wait for nothing."""

    @property
    def paths(self) -> frozenset[str]:
        """The photos whose result is still to come."""
        return frozenset(each.path for each in (*self._waiting, *(result.photo for result in self._found)))

    def work(self, chosen: int) -> None:
        """Embed one photo that waits."""
        if self._waiting:
            self._found.append(self._embed(self._waiting.pop(chosen % len(self._waiting))))

    def read_all(self) -> None:
        """Embed all that wait, and deliver nothing yet."""
        while self._waiting:
            self.work(0)

    def tell(self, chosen: int) -> None:
        """Deliver one result."""
        if self._found:
            self._on_result(self._found.pop(chosen % len(self._found)))

    def finish(self) -> None:
        """Embed everything and deliver all results."""
        while self.pending:
            self.work(0)
            self.tell(0)

    def _embed(self, photo: EmbedJob) -> EmbedResult:
        if not _unchanged(photo):
            return ChangedMeanwhile(photo)
        if (failure := self.fails_once.pop(photo.path, None)) is not None:
            return Unreadable(photo, "cannot be read: Input/output error", failure)
        try:
            decoded = self._decoder.decode(photo.path, PREPROCESS)
        except UnreadableImageError as error:
            return Unreadable(photo, str(error))
        if not _unchanged(photo):
            return ChangedMeanwhile(photo)
        self._forward_passes[photo.digest] += 1
        return Embedded(photo, decoded.info, np.array(photo_vector(decoded.pixels)))


def _unchanged(photo: EmbedJob) -> bool:
    try:
        status = os.stat(photo.path)
    except OSError:
        return False
    return Fingerprint.of(status) == photo.fingerprint


class IndexRig:
    """The parts of one daemon from its start to its end, put together as in `compose_index`."""

    def __init__(
        self,
        state: Path,
        roots: Iterable[str],
        forward_passes: Counter[bytes],
        watch: WatchConfig = QUICK,
        *,
        mounts: Callable[[], Mounts] | None = None,
    ) -> None:
        """`mounts` returns the table of mounts, by default that of this machine."""
        mounts = mounts or MountTable().read
        self.roots = Roots(roots)
        self.store = LanceStore(folder=state, name="colour")
        self.store.create_or_check(IDENTITY)
        loaded = compose_index.load_index(self.store, self.roots)
        self.library, self.index = loaded.library, loaded.index
        self._executors = store_executor, rank_executor = SerialExecutor("store"), SerialExecutor("rank")
        self.rank_executor = rank_executor
        activity = asyncio.Event()
        events = EventBus(activity)
        self.router = PipelineRouter(self.roots)
        self.writer = StoreWriter(
            store=self.store, executor=store_executor, idle=self.router.idle, is_present=self.library.has_digest
        )
        self.photo_index = photo_index = PhotoIndex(
            library=self.library,
            index=self.index,
            rank_executor=rank_executor,
            store=self.store,
            unrooted=loaded.unrooted,
            store_executor=store_executor,
            writer=self.writer,
            events=events,
            roots=self.roots,
            decoder="v1",
            sequence=SequenceNumbers(saved=0, save=lambda _number: None),
        )
        in_flight = InFlightContents(photo_index.cache_vector)
        self.image_worker = ScriptedImageWorker(forward_passes, in_flight.on_embed_result)
        self.watcher = ScriptedWatcher()
        self.removed = RemovedRoots(
            records=RemovedFile(state / "removed.json"),
            settings=watch,
            outside=loaded.outside,
            store=self.store,
            executor=store_executor,
            writer=self.writer,
        )
        self.monitors = RootMonitors()
        throttle = at_ease()
        self.manager = RootManager(
            shared=SharedParts(
                roots=self.roots,
                watcher=self.watcher,
                mounts=mounts,
                open_file=functools.partial(DigestReader, limit=1 << 30),
                disk_thread_init=lambda: None,
                decoder="test",
                photo_index=photo_index,
                writer=self.writer,
                router=self.router,
                in_flight=in_flight,
                image_worker=cast("ImageWorker", self.image_worker),
                throttle=throttle,
                events=events,
                activity=activity,
            ),
            watch=watch,
            monitors=self.monitors,
            removed=self.removed,
            make_scanner=compose_index.scanner_factory(self.roots, state / "albums", mounts),
            rewatch=lambda _: self.watcher.watched.clear(),
            volumes=self.store.load_volumes(),
        )
        self.dispatcher = FsEventDispatcher(
            roots=self.roots,
            monitors=self.monitors,
            photo_index=photo_index,
            router=self.router,
            sync_barrier=SyncBarrier(
                watcher=self.watcher, monitors=self.monitors, router=self.router, throttle=throttle
            ),
        )
        runs = (self.manager.run(), self.writer.run(), photo_index.run(), self.removed.run())
        self._tasks = [asyncio.ensure_future(work) for work in runs]

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        monitors = self.monitors.values()
        return bool(self.image_worker.pending or self.router.pending or any(monitor.busy for monitor in monitors))

    async def drain(self) -> None:
        """Wait for the calls that the executors have; on a busy machine their threads may not run for a while."""
        for executor in self._executors:
            await executor.submit(int)

    def check(self) -> None:
        """Raise what a part raised."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def end(self, *, flush: bool) -> None:
        """End as the daemon does, or, without a flush, as kill -9 does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if flush:
            self.manager.close()
            await self.writer.flush()
        for executor in self._executors:
            executor.close()
        self.store.close()
