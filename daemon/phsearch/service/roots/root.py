"""One watched root: the parts that it has for itself, from its start to its end."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

from phsearch.domain.indexing.settle import Debouncer
from phsearch.domain.roots.deletion_policy import MassDeletionGuard
from phsearch.service.indexing.deletions import Deletions
from phsearch.service.indexing.disk_reader import DiskReader
from phsearch.service.indexing.pipeline import RootPipeline
from phsearch.service.roots.monitor import RootMonitor
from phsearch.service.roots.reconciler import Reconciler
from phsearch.service.roots.volume_tracker import VolumeTracker
from phsearch.service.threads import TimeoutExecutor

if TYPE_CHECKING:
    from collections.abc import Collection

    from phsearch.config import WatchConfig
    from phsearch.domain.ports import Scanner
    from phsearch.domain.types import Volume
    from phsearch.service.roots.shared import SharedParts

_CALLS_AT_ONCE = 4


class WatchedRoot:
    """One root. It copies the state of `former`, the one that watched the same root before."""

    def __init__(
        self,
        *,
        root: str,
        shared: SharedParts,
        watch: WatchConfig,
        scanner: Scanner,
        volumes: Collection[Volume],
        former: WatchedRoot | None,
    ) -> None:
        self._root = root
        self._shared = shared
        self._tasks: list[asyncio.Task[None]] = []
        self._executor = TimeoutExecutor(
            f"disk {root}",
            watch.disk_seconds,
            max_concurrent=_CALLS_AT_ONCE,
            on_hang=self._on_disk_hang,
            thread_init=shared.disk_thread_init,
        )
        self._debouncer = Debouncer(watch.settle_seconds)
        self.monitor: RootMonitor
        self._volume_tracker = VolumeTracker(
            root=root,
            roots=shared.roots,
            mounts=shared.mounts,
            path_checker=scanner.path_checker,
            known=volumes,
            writer=shared.writer,
        )
        self._deletions = Deletions(
            root=root,
            guard=_mass_deletion_guard(watch),
            library=shared.photo_index.library,
            remove=shared.photo_index.remove_photos,
            on_mass_deletion=self._on_mass_deletion,
        )
        self._pipeline = RootPipeline(
            root=root,
            disk=DiskReader(
                executor=self._executor,
                stat_all=self._volume_tracker.stat_all,
                # Anyone who may write into the folder can put a link in place of a file before it is read.
                open_file=functools.partial(shared.open_file, root=None if watch.follow_symlinks else root),
            ),
            debouncer=self._debouncer,
            photo_index=shared.photo_index,
            deletions=self._deletions,
            embed_queue=shared.image_worker,
            in_flight=shared.in_flight,
            decoder=shared.decoder,
            throttle=shared.throttle,
            activity=shared.activity,
        )
        self.reconciler = Reconciler(
            root=root,
            roots=shared.roots,
            scanner=scanner,
            disk=self._executor,
            volume_tracker=self._volume_tracker,
            library=shared.photo_index.library,
            pipeline=self._pipeline,
            deletions=self._deletions,
        )
        if former is not None:
            self.reconciler.copy_state(former.reconciler)
        self.monitor = RootMonitor(
            root=root,
            shared=shared,
            disk=self._executor,
            volume_tracker=self._volume_tracker,
            reconciler=self.reconciler,
            settings=watch,
            former=former.monitor if former is not None else None,
        )
        shared.router.add_pipeline(root, self._pipeline)

    @property
    def running(self) -> bool:
        """Whether it has been started."""
        return bool(self._tasks)

    @property
    def volumes(self) -> list[Volume]:
        """What is remembered of its file systems."""
        return self._volume_tracker.volumes

    def reconfigure(self, watch: WatchConfig) -> None:
        """Use these settings from now on."""
        self._executor.timeout = watch.disk_seconds
        self._debouncer.quiet = watch.settle_seconds
        self._deletions.guard = _mass_deletion_guard(watch)
        self.monitor.reconfigure(watch)

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to work."""
        self._tasks = [group.create_task(self._pipeline.run()), group.create_task(self.monitor.run())]

    async def stop(self) -> None:
        """Stop working. Threads that wait for a disk that hangs are left behind."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def detach(self) -> None:
        """Give up the root after `stop`. Photos that wait for the worker are withdrawn; results may still come."""
        self.monitor.detach()
        self._shared.router.remove_pipeline(self._root)
        self._shared.image_worker.withdraw_root(self._root, hung=self._executor.stalled)
        self._shared.in_flight.release_owner(self._pipeline)

    def _on_mass_deletion(self) -> None:
        self.monitor.mass_deletion()

    def _on_disk_hang(self, _disk: TimeoutExecutor) -> None:
        self.monitor.disk_hung()


def _mass_deletion_guard(watch: WatchConfig) -> MassDeletionGuard:
    return MassDeletionGuard(watch.brake_share, watch.brake_photos)
