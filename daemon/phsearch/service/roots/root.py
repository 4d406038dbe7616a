"""What one root has of its own: a way to its disk, a pipeline, scans, and the keeper that minds them."""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phsearch.domain.indexing.settle import Settler
from phsearch.domain.roots.deletion_policy import Brake
from phsearch.service.indexing.pipeline import Pipeline, Questions
from phsearch.service.roots.monitor import RootKeeper
from phsearch.service.roots.reconciler import Reconciler
from phsearch.service.roots.volume_tracker import Presence
from phsearch.service.threads import RootDisk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from phsearch.config import WatchConfig
    from phsearch.domain.ports import Scanner, Watcher
    from phsearch.domain.roots.mounts import Mounts
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.throttle.policy import Duty
    from phsearch.domain.types import Digested, Volume
    from phsearch.service.events import Events
    from phsearch.service.indexing.photo_index import Catalog
    from phsearch.service.indexing.router import Pipelines
    from phsearch.service.indexing.store_writer import Writer

_AT_ONCE = 4


@dataclass(slots=True)
class Home:
    """The parts of one root."""

    root: str
    disk: RootDisk
    presence: Presence
    settler: Settler
    pipeline: Pipeline
    reconciler: Reconciler
    keeper: RootKeeper
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def lives(self) -> bool:
        """Whether it has begun to work."""
        return bool(self._tasks)

    def take(self, watch: WatchConfig) -> None:
        """Keep to these settings from now on."""
        self.disk.patience = watch.disk_seconds
        self.settler.quiet = watch.settle_seconds
        self.reconciler.brake = _brake(watch)
        self.keeper.take(watch)

    def live(self, group: asyncio.TaskGroup) -> None:
        """Begin to work."""
        self._tasks = [group.create_task(self.pipeline.run()), group.create_task(self.keeper.run())]

    async def rest(self) -> None:
        """Stop working. Threads that a disk keeps waiting are left behind."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def volumes(self) -> list[Volume]:
        """What is remembered of its file systems."""
        return self.presence.volumes


class Builder:
    """Makes homes, from what all roots share."""

    def __init__(
        self,
        roots: Roots,
        watcher: Watcher,
        mounts: Callable[[], Mounts],
        digest: Callable[..., Digested | None],
        decoder: str,
        catalog: Catalog,
        pipelines: Pipelines,
        writer: Writer,
        events: Events,
        turn: Callable[[Duty], Awaitable[None]],
    ) -> None:
        self._roots = roots
        self._watcher = watcher
        self._mounts = mounts
        self._digest = digest
        self._decoder = decoder
        self._catalog = catalog
        self._pipelines = pipelines
        self._writer = writer
        self._events = events
        self._turn = turn

    def build(
        self, root: str, watch: WatchConfig, scanner: Scanner, volumes: list[Volume], former: Home | None
    ) -> Home:
        """Make a home; it knows what the former one of the same root knew."""
        roots, catalog, pipelines = self._roots, self._catalog, self._pipelines
        disk = RootDisk(f"disk {root}", watch.disk_seconds, _AT_ONCE)
        presence = Presence(root, roots, self._mounts, scanner.look, volumes, self._writer)
        # Whoever may write into the folder may swap a link in between the look and the read.
        read = functools.partial(self._digest, root=None if watch.follow_symlinks else root)
        ask = Questions(presence.look_all, read, time.time_ns)
        settler = Settler(watch.settle_seconds)
        pipeline = Pipeline(root, disk, ask, settler, catalog, pipelines, self._decoder, self._turn)
        pipelines.add(root, pipeline)
        reconciler = Reconciler(root, roots, scanner, disk, presence, catalog.library, pipeline, _brake(watch))
        if former is not None:
            reconciler.succeed(former.reconciler)
        keeper = RootKeeper(
            root, roots, self._watcher, disk, presence, reconciler, catalog, pipelines, self._events, watch
        )
        return Home(root, disk, presence, settler, pipeline, reconciler, keeper)


def _brake(watch: WatchConfig) -> Brake:
    return Brake(watch.brake_share, watch.brake_photos)
