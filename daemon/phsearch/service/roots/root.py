"""What one root has of its own: a way to its disk, a pipeline, scans, and the keeper that minds them."""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phsearch.domain.indexing.settle import Debouncer
from phsearch.domain.roots.deletion_policy import MassDeletionGuard
from phsearch.service.indexing.pipeline import DiskIO, RootPipeline
from phsearch.service.roots.monitor import RootMonitor
from phsearch.service.roots.reconciler import Reconciler
from phsearch.service.roots.volume_tracker import VolumeTracker
from phsearch.service.threads import TimeoutExecutor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from phsearch.config import WatchConfig
    from phsearch.domain.ports import Scanner, Watcher
    from phsearch.domain.roots.mounts import Mounts
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.throttle.policy import DutyCycle
    from phsearch.domain.types import ContentDigest, Volume
    from phsearch.service.events import EventBus
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.indexing.store_writer import StoreWriter

_MAX_CONCURRENT = 4


@dataclass(slots=True)
class WatchedRoot:
    """The parts of one root."""

    root: str
    disk: TimeoutExecutor
    volume_tracker: VolumeTracker
    debouncer: Debouncer
    pipeline: RootPipeline
    reconciler: Reconciler
    monitor: RootMonitor
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether it has begun to work."""
        return bool(self._tasks)

    def reconfigure(self, watch: WatchConfig) -> None:
        """Keep to these settings from now on."""
        self.disk.timeout = watch.disk_seconds
        self.debouncer.quiet = watch.settle_seconds
        self.reconciler.deletion_guard = _mass_deletion_guard(watch)
        self.monitor.reconfigure(watch)

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to work."""
        self._tasks = [group.create_task(self.pipeline.run()), group.create_task(self.monitor.run())]

    async def stop(self) -> None:
        """Stop working. Threads that a disk keeps waiting are left behind."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def volumes(self) -> list[Volume]:
        """What is remembered of its file systems."""
        return self.volume_tracker.volumes


class WatchedRootFactory:
    """Makes homes, from what all roots share."""

    def __init__(
        self,
        roots: Roots,
        watcher: Watcher,
        mounts: Callable[[], Mounts],
        digest: Callable[..., ContentDigest | None],
        decoder: str,
        photo_index: PhotoIndex,
        router: PipelineRouter,
        writer: StoreWriter,
        events: EventBus,
        turn: Callable[[DutyCycle], Awaitable[None]],
        disk_thread_init: Callable[[], object] = lambda: None,
    ) -> None:
        self._roots = roots
        self._watcher = watcher
        self._mounts = mounts
        self._digest = digest
        self._decoder = decoder
        self._photo_index = photo_index
        self._router = router
        self._writer = writer
        self._events = events
        self._throttle_turn = turn
        self._disk_thread_init = disk_thread_init

    def build_root(
        self, root: str, watch: WatchConfig, scanner: Scanner, volumes: list[Volume], former: WatchedRoot | None
    ) -> WatchedRoot:
        """Make a home; it knows what the former one of the same root knew."""
        roots, photo_index, router = self._roots, self._photo_index, self._router
        disk = TimeoutExecutor(
            f"disk {root}",
            watch.disk_seconds,
            max_concurrent=_MAX_CONCURRENT,
            on_hang=lambda: monitor.disk_hung(),  # noqa: PLW0108 - it is made below
            thread_init=self._disk_thread_init,
        )
        volume_tracker = VolumeTracker(root, roots, self._mounts, scanner.check_path, volumes, self._writer)
        # Whoever may write into the folder may swap a link in between the look and the read.
        read = functools.partial(self._digest, root=None if watch.follow_symlinks else root)
        ask = DiskIO(volume_tracker.stat_all, read, time.time_ns)
        debouncer = Debouncer(watch.settle_seconds)
        pipeline = RootPipeline(root, disk, ask, debouncer, photo_index, router, self._decoder, self._throttle_turn)
        router.add_pipeline(root, pipeline)
        reconciler = Reconciler(
            root, roots, scanner, disk, volume_tracker, photo_index.library, pipeline, _mass_deletion_guard(watch)
        )
        if former is not None:
            reconciler.copy_state(former.reconciler)
        monitor = RootMonitor(
            root, roots, self._watcher, disk, volume_tracker, reconciler, photo_index, router, self._events, watch
        )
        return WatchedRoot(root, disk, volume_tracker, debouncer, pipeline, reconciler, monitor)


def _mass_deletion_guard(watch: WatchConfig) -> MassDeletionGuard:
    return MassDeletionGuard(watch.brake_share, watch.brake_photos)
