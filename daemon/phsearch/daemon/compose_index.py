"""What is known of the photos, and what changes it."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.adapters.files.digest import digest
from phsearch.adapters.files.scanner import FolderScanner
from phsearch.adapters.linux import processes
from phsearch.adapters.linux.mounts import MountTable, RemoteMountPoints
from phsearch.adapters.linux.power import PowerSupplyReader
from phsearch.adapters.linux.pressure import PressureReader
from phsearch.adapters.linux.process_limits import set_lowest_ioprio
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
    from phsearch.domain.throttle.policy import ThrottleState
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
    model = ModelState(
        name=config.model.name, pretrained=config.model.pretrained, store=store, executor=executors.store
    )

    def on_state_change(state: ThrottleState) -> None:
        image_worker.throttle_changed()
        events.publish("pace", "", state=state.state, text=str(state))

    throttle = _throttle(
        config,
        places,
        is_busy=lambda: router.pending > 0 or image_worker.busy,
        holds_resources=lambda: image_worker.running,
        on_state_change=on_state_change,
    )
    command = functools.partial(
        worker_commands.index_worker, env=env, program=program, roots=lambda: manager.online_roots
    )
    image_worker = ImageWorker(
        command=command(config),
        model=model,
        batcher=Batcher(config.model.batch_size or 16, _AHEAD),
        keep_alive=config.index.keep_alive_seconds,
        limits=worker_commands.index_worker_limits(config.index),
        throttle=throttle,
        on_result=lambda result: router.on_embed_result(result),  # noqa: PLW0108 - it is made below
    )
    writer = StoreWriter(store, executors.store, idle=lambda: router.pending == 0, give_back=processes.malloc_trim)
    photo_index = PhotoIndex(
        library=library,
        index=index,
        rank_executor=executors.rank,
        deleted_vectors=store.deleted_vectors,
        store_executor=executors.store,
        writer=writer,
        events=events,
        roots=roots,
    )
    router: PipelineRouter = PipelineRouter(roots, image_worker, photo_index.cache_vector)
    file = RemovedFile(places.state.removed_roots_file)
    removed = RemovedRoots(file, config.watch, outside, store, executors.store, writer)
    watcher, rewatch = _watcher(config.watch, roots)
    builder = WatchedRootFactory(
        roots,
        watcher,
        MountTable().read,
        digest,
        worker_commands.decoder_versions(),
        photo_index,
        router,
        writer,
        events,
        throttle.acquire,
        disk_thread_init=set_lowest_ioprio,
    )
    manager: RootManager = RootManager(
        roots,
        config.watch,
        builder,
        scanner_factory(roots, places.state.albums),
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


def scanner_factory(roots: Roots, albums: Path) -> Callable[[WatchConfig], FolderScanner]:
    """Give what makes the scanner by the settings of a time."""
    return lambda watch: FolderScanner(
        roots, ignore_rules_of(watch), follow_symlinks=watch.follow_symlinks, albums_dir=str(albums)
    )


def _throttle(
    config: Config,
    places: Paths,
    *,
    is_busy: Callable[[], bool],
    holds_resources: Callable[[], bool],
    on_state_change: Callable[[ThrottleState], None],
) -> IndexingThrottle:
    """Build the throttle. A pause from before the last end goes on."""
    policy, file = ThrottlePolicy(config.courtesy), PauseFile(places.state.pause_file)
    paused, until = file.load()
    if paused:
        policy.pause(until)
    return IndexingThrottle(
        policy=policy,
        read_power=PowerSupplyReader().read,
        read_pressure=PressureReader().read,
        save_pause=file.save,
        is_busy=is_busy,
        holds_resources=holds_resources,
        on_state_change=on_state_change,
    )


def _watcher(watch: WatchConfig, roots: Roots) -> tuple[IsolatingWatcher, Callable[[WatchConfig], None]]:
    """Give the watcher, and what has it keep to other settings."""
    remote = RemoteMountPoints()

    def make(watch: WatchConfig) -> FolderWatcher:
        return FolderWatcher(roots, ignore_rules_of(watch), follow_symlinks=watch.follow_symlinks, remote_type=remote)

    watcher = IsolatingWatcher(lambda: make(watch), remote_type=MountTable().remote_type)
    return watcher, lambda watch: watcher.rebuild(lambda: make(watch))
