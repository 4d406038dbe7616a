"""What is known of the photos, and what changes it."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.adapters.files.digest import digest
from phsearch.adapters.files.scanner import FolderScanner
from phsearch.adapters.linux import processes
from phsearch.adapters.linux.mounts import MountTable, RemoteMounts
from phsearch.adapters.linux.power import PowerSupplies
from phsearch.adapters.linux.pressure import Pressures
from phsearch.adapters.linux.process_limits import with_lowest_ioprio
from phsearch.adapters.state.json_files import PauseFile, RemovedFile
from phsearch.adapters.watch import FolderWatcher, IsolatingWatcher
from phsearch.daemon import worker_commands
from phsearch.domain.indexing.batching import Batcher
from phsearch.domain.library import Library
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.domain.throttle.policy import ThrottlePolicy
from phsearch.service.events import EventBus
from phsearch.service.indexing.photo_index import PhotoIndex
from phsearch.service.indexing.router import PipelineRouter
from phsearch.service.indexing.store_writer import StoreWriter
from phsearch.service.roots.event_dispatcher import FsEventDispatcher
from phsearch.service.roots.manager import RootManager, ignore_rules_of
from phsearch.service.roots.removed_roots import RemovedRoots
from phsearch.service.roots.root import WatchedRootFactory
from phsearch.service.roots.sync_barrier import SyncBarrier
from phsearch.service.threads import SerialExecutor
from phsearch.service.throttle import IndexingThrottle
from phsearch.service.workers.image_worker import ImageWorker
from phsearch.service.workers.model_state import ModelState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from phsearch.config import Config, Paths, WatchConfig
    from phsearch.domain.ports import Store, Watcher
    from phsearch.service.workers.process import WorkerCommand

_AHEAD = 3
_STORE_PATIENCE = 1800.0
"""A million photos' table is 1.5 GB, and on a card that writes 2 MB/s tidying it up takes 25 minutes. Whoever is ended
before that begins again at the next start, and would never come to the end of it."""


@dataclass(frozen=True, slots=True)
class Executors:
    """The threads for blocking work."""

    store: SerialExecutor
    rank: SerialExecutor
    verify: SerialExecutor

    def close(self) -> None:
        """End them; who waits for the store comes first."""
        for executor in (self.verify, self.rank, self.store):
            executor.close()


@dataclass(frozen=True, slots=True)
class IndexParts:
    """The parts that keep the index."""

    roots: Roots
    library: Library
    index: VectorIndex
    executors: Executors
    events: EventBus
    model: ModelState
    throttle: IndexingThrottle
    worker_command: Callable[[Config], WorkerCommand]
    image_worker: ImageWorker
    writer: StoreWriter
    photo_index: PhotoIndex
    router: PipelineRouter
    removed: RemovedRoots
    watcher: Watcher
    manager: RootManager
    sync_barrier: SyncBarrier
    dispatcher: FsEventDispatcher


def build_index(
    config: Config, places: Paths, env: Mapping[str, str], store: Store, program: tuple[str, ...]
) -> IndexParts:
    """Put them together; nothing runs yet. Raises StoreError."""
    roots = Roots(places.roots)
    library, index, outside = load_index(store, roots)
    executors = Executors(SerialExecutor("store", _STORE_PATIENCE), SerialExecutor("rank"), SerialExecutor("verify"))
    events = EventBus(on_publish=lambda: router.wake())  # noqa: PLW0108 - the router comes later
    model = ModelState(config.model.name, config.model.pretrained, store, executors.store)
    throttle = _throttle(config, places, events)
    command = functools.partial(
        worker_commands.index_worker, env=env, program=program, roots=lambda: manager.online_roots
    )
    image_worker = ImageWorker(
        command(config),
        model,
        Batcher(config.model.batch_size or 16, _AHEAD),
        config.index.keep_alive_seconds,
        worker_commands.index_worker_limits(config.index),
        throttle,
    )
    writer = StoreWriter(store, executors.store, idle=lambda: router.pending == 0, give_back=processes.malloc_trim)
    photo_index = PhotoIndex(library, index, executors.rank, writer, events, roots)
    router: PipelineRouter = PipelineRouter(roots, image_worker, photo_index.cache_vector)
    throttle.busy = lambda: router.pending > 0 or image_worker.busy
    throttle.holds_resources = lambda: image_worker.running
    file = RemovedFile(places.state / "index" / "removed.json")
    removed = RemovedRoots(file, config.watch, outside, store, executors.store, writer)
    watcher, rewatch = _watcher(config.watch, roots)
    builder = WatchedRootFactory(
        roots,
        watcher,
        MountTable().read,
        with_lowest_ioprio(digest),
        worker_commands.decoder_versions(),
        photo_index,
        router,
        writer,
        events,
        throttle.acquire,
    )
    manager: RootManager = RootManager(
        roots,
        config.watch,
        builder,
        scanner_factory(roots, places.state),
        watcher,
        rewatch,
        photo_index,
        router,
        events,
        removed,
        store.load_volumes(),
    )
    sync_barrier = SyncBarrier(watcher, manager.monitors, router, throttle)
    dispatcher = FsEventDispatcher(roots, manager.monitors, photo_index, router, sync_barrier.on_mark)
    return IndexParts(
        roots,
        library,
        index,
        executors,
        events,
        model,
        throttle,
        command,
        image_worker,
        writer,
        photo_index,
        router,
        removed,
        watcher,
        manager,
        sync_barrier,
        dispatcher,
    )


def load_index(store: Store, roots: Roots) -> tuple[Library, VectorIndex, list[tuple[str, str]]]:
    """Load the index. What lies in no root now is not shown: its paths are given, each with the root it had."""
    photos, vectors = store.load()
    rows = [row for row, photo in enumerate(photos) if roots.root_of(photo.path) is not None]
    # Roots may have been nested otherwise when the photo was indexed.
    inside = [dataclasses.replace(photos[row], root=roots.root_of(photos[row].path) or "") for row in rows]
    failures = store.load_failures()
    index = VectorIndex()
    index.load(inside, vectors[rows])
    outside = [(photo.path, photo.root) for photo in photos if roots.root_of(photo.path) is None]
    # Of failures it is not on record which root they had; mostly there are photos that tell.
    former = Roots(root for _, root in outside)
    lost = [failure.path for failure in failures if roots.root_of(failure.path) is None]
    outside += [(path, former.root_of(path) or path.rpartition("/")[0]) for path in lost]
    return Library(inside, [each for each in failures if roots.root_of(each.path) is not None]), index, outside


def scanner_factory(roots: Roots, state: Path) -> Callable[[WatchConfig], FolderScanner]:
    """Give what makes the scanner by the settings of a time."""
    apart = str(state / "albums")
    return lambda watch: FolderScanner(
        roots, ignore_rules_of(watch), follow_symlinks=watch.follow_symlinks, apart=apart
    )


def _throttle(config: Config, places: Paths, events: EventBus) -> IndexingThrottle:
    """Make what decides how much of the time indexing may take; a pause from before the last end goes on."""
    courtesy, file = ThrottlePolicy(config.courtesy), PauseFile(places.state / "pause.json")
    paused, until = file.load()
    if paused:
        courtesy.pause(until)
    throttle = IndexingThrottle(courtesy, PowerSupplies().read, Pressures().read, file.save)
    throttle.listeners.append(lambda pace: events.publish("pace", "", state=pace.state, text=str(pace)))
    return throttle


def _watcher(watch: WatchConfig, roots: Roots) -> tuple[IsolatingWatcher, Callable[[WatchConfig], None]]:
    """Give the watcher, and what has it keep to other settings."""
    remote = RemoteMounts()

    def make(watch: WatchConfig) -> FolderWatcher:
        return FolderWatcher(roots, ignore_rules_of(watch), follow_symlinks=watch.follow_symlinks, remote=remote)

    watcher = IsolatingWatcher(lambda: make(watch), MountTable().remote)
    return watcher, lambda watch: watcher.rebuild(lambda: make(watch))
