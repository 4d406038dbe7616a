"""Build the parts that find, index and watch photos."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phsearch.adapters.files.scanner import FolderScanner
from phsearch.adapters.linux import processes
from phsearch.adapters.linux.mounts import MountPoints, MountTable
from phsearch.adapters.linux.power import PowerSupplyReader
from phsearch.adapters.linux.pressure import PressureReader
from phsearch.adapters.linux.process_limits import set_lowest_ioprio
from phsearch.adapters.state.json_files import PauseFile, RemovedFile, SequenceFile
from phsearch.adapters.watch import FolderWatcher, IsolatingWatcher
from phsearch.daemon import worker_commands
from phsearch.domain.indexing.batching import Batcher
from phsearch.domain.library import Library
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.vector_index import VectorIndex, keep_rows
from phsearch.domain.throttle.policy import ThrottlePolicy
from phsearch.safe_open import DigestReader, largest_photo
from phsearch.service.events import EventBus
from phsearch.service.indexing.in_flight import InFlightContents
from phsearch.service.indexing.photo_index import PhotoIndex, SequenceNumbers
from phsearch.service.indexing.router import PipelineRouter
from phsearch.service.indexing.store_writer import StoreWriter
from phsearch.service.indexing.workload import IndexingWorkload
from phsearch.service.roots.event_dispatcher import FsEventDispatcher
from phsearch.service.roots.manager import RootManager, ignore_rules_of
from phsearch.service.roots.removed_roots import RemovedRoots
from phsearch.service.roots.root_monitors import RootMonitors
from phsearch.service.roots.shared import SharedParts
from phsearch.service.roots.sync_barrier import SyncBarrier
from phsearch.service.threads import SerialExecutor
from phsearch.service.throttle import IndexingThrottle
from phsearch.service.workers.image_worker import ImageWorker
from phsearch.service.workers.model_state import ModelState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phsearch.config import Config, Paths, WatchConfig
    from phsearch.daemon.worker_commands import WorkerCommands
    from phsearch.domain.indexing.batching import EmbedResult
    from phsearch.domain.ports import Store, Watcher
    from phsearch.domain.problems import Problems
    from phsearch.domain.roots.mounts import Mounts
    from phsearch.domain.throttle.policy import ThrottleState
    from phsearch.domain.types import Photo
    from phsearch.service.workers.command import WorkerCommand

_BATCHES_AHEAD = 3
_BATCH_SIZE = 16
"""Until the worker says what its device can hold."""
_STORE_PATIENCE = 1800.0
"""A million photos take 1.5 GB, and on a card that writes 2 MB/s compacting them takes 25 minutes. If we were killed
before that, the next start would begin it again, and it would never end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executors:
    """The threads for blocking work."""

    store: SerialExecutor
    rank: SerialExecutor
    verify: SerialExecutor

    def close(self) -> None:
        """End the threads, those first that may wait for another."""
        for executor in (self.verify, self.rank, self.store):
            executor.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexParts:
    """The parts that keep the index. `activity` is set when there is something to do."""

    roots: Roots
    library: Library
    index: VectorIndex
    executors: Executors
    activity: asyncio.Event
    events: EventBus
    problems: Problems
    model: ModelState
    throttle: IndexingThrottle
    image_worker: ImageWorker
    workload: IndexingWorkload
    writer: StoreWriter
    photo_index: PhotoIndex
    router: PipelineRouter
    removed: RemovedRoots
    watcher: Watcher
    manager: RootManager
    sync_barrier: SyncBarrier
    dispatcher: FsEventDispatcher


def build_index(
    *, config: Config, paths: Paths, store: Store, commands: WorkerCommands, problems: Problems
) -> IndexParts:
    """Return the parts, put together. Nothing runs yet, but the event loop must. Raises StoreError.

    `config` are the settings with the model that answers.
    """
    roots = Roots(paths.roots)
    loaded = load_index(store, roots)
    library, index = loaded.library, loaded.index
    executors = Executors(
        store=SerialExecutor("store", _STORE_PATIENCE), rank=SerialExecutor("rank"), verify=SerialExecutor("verify")
    )
    activity = asyncio.Event()
    events = EventBus(activity)
    router = PipelineRouter(roots)
    writer = StoreWriter(
        store=store,
        executor=executors.store,
        idle=router.idle,
        is_present=library.has_digest,
        release_memory=processes.malloc_trim,
    )
    photo_index = PhotoIndex(
        library=library,
        index=index,
        rank_executor=executors.rank,
        store=store,
        unrooted=loaded.unrooted,
        store_executor=executors.store,
        writer=writer,
        events=events,
        roots=roots,
        decoder=worker_commands.decoder_versions(config.index),
        sequence=_sequence(paths.state.sequence_file, index),
    )

    throttle = _throttle(config, paths, events, problems)
    monitors = RootMonitors()
    model = ModelState(
        name=config.model.name,
        pretrained=config.model.pretrained,
        tables=store,
        executor=executors.store,
        download=commands.download,
    )
    in_flight = InFlightContents(photo_index.cache_vector)
    image_worker = new_image_worker(
        config=config,
        command=commands.index_worker(config, monitors.online_roots),
        model=model,
        throttle=throttle,
        on_result=in_flight.on_embed_result,
    )

    mounts, limit = MountTable().read, largest_photo(int(config.index.max_megapixels * 1_000_000))
    watcher, rewatch = _watcher(config.watch, roots)
    removed = RemovedRoots(
        records=RemovedFile(paths.state.removed_roots_file, problems),
        settings=config.watch,
        outside=loaded.outside,
        store=store,
        executor=executors.store,
        writer=writer,
    )
    manager = RootManager(
        shared=SharedParts(
            roots=roots,
            watcher=watcher,
            mounts=mounts,
            open_file=functools.partial(DigestReader, limit=limit),
            disk_thread_init=set_lowest_ioprio,
            decoder=worker_commands.decoder_versions(config.index),
            photo_index=photo_index,
            writer=writer,
            router=router,
            in_flight=in_flight,
            image_worker=image_worker,
            throttle=throttle,
            events=events,
            activity=activity,
        ),
        watch=config.watch,
        monitors=monitors,
        removed=removed,
        make_scanner=scanner_factory(roots, paths.state.albums, mounts),
        rewatch=rewatch,
        volumes=store.load_volumes(),
    )
    sync_barrier = SyncBarrier(watcher=watcher, monitors=monitors, router=router, throttle=throttle)
    dispatcher = FsEventDispatcher(
        roots=roots, monitors=monitors, photo_index=photo_index, router=router, sync_barrier=sync_barrier
    )
    return IndexParts(
        roots=roots,
        library=library,
        index=index,
        executors=executors,
        activity=activity,
        events=events,
        problems=problems,
        model=model,
        throttle=throttle,
        image_worker=image_worker,
        workload=IndexingWorkload(router, image_worker),
        writer=writer,
        photo_index=photo_index,
        router=router,
        removed=removed,
        watcher=watcher,
        manager=manager,
        sync_barrier=sync_barrier,
        dispatcher=dispatcher,
    )


def new_image_worker(
    *,
    config: Config,
    command: WorkerCommand,
    model: ModelState,
    throttle: IndexingThrottle,
    on_result: Callable[[EmbedResult], None],
) -> ImageWorker:
    """Return the index worker of a model."""
    return ImageWorker(
        command=command,
        model=model,
        batcher=Batcher(config.model.batch_size or _BATCH_SIZE, _BATCHES_AHEAD),
        keep_alive=config.index.keep_alive_seconds,
        limits=worker_commands.index_worker_limits(config.index),
        throttle=throttle,
        on_result=on_result,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedIndex:
    """What the store has: the photos of the roots with their vectors, and what is in no root, which is not shown.

    `outside` are the paths of the latter, each with the root it had, and `unrooted` their contents, each with a path.
    """

    library: Library
    index: VectorIndex
    outside: list[tuple[str, str]]
    unrooted: dict[bytes, str]


def load_index(store: Store, roots: Roots) -> LoadedIndex:
    """Load the index. Raises StoreError."""
    photos, vectors = store.load()
    is_inside = np.ones(len(photos), np.bool_)
    unrooted: list[Photo] = []
    for row, photo in enumerate(photos):
        root = roots.root_of(photo.path)
        if root is None:
            is_inside[row] = False
            unrooted.append(photo)
        elif root != photo.root:
            # The roots were other ones when it was indexed.
            photos[row] = dataclasses.replace(photo, root=root)
    if unrooted:
        photos = list(itertools.compress(photos, is_inside))
        keep_rows(vectors, np.flatnonzero(is_inside))
    failures = store.load_failures()
    library = Library(photos, [each for each in failures if roots.root_of(each.path) is not None])
    index = VectorIndex()
    index.load(photos, vectors)
    outside = [(photo.path, photo.root) for photo in unrooted]
    # The store does not have the roots of failures. Photos beside them mostly show which they were.
    former = Roots(root for _, root in outside)
    lost = [failure.path for failure in failures if roots.root_of(failure.path) is None]
    outside += [(path, former.root_of(path) or path.rpartition("/")[0]) for path in lost]
    return LoadedIndex(
        library=library,
        index=index,
        outside=outside,
        unrooted={photo.digest: photo.path for photo in unrooted},
    )


def scanner_factory(roots: Roots, albums: Path, mounts: Callable[[], Mounts]) -> Callable[[WatchConfig], FolderScanner]:
    """Return what makes a scanner by the settings it is given."""
    return lambda watch: FolderScanner(
        roots, ignore_rules_of(watch), follow_symlinks=watch.follow_symlinks, albums_dir=str(albums), mounts=mounts
    )


def _sequence(path: Path, index: VectorIndex) -> SequenceNumbers:
    file = SequenceFile(path)
    known = int(index.columns["sequence"].max(initial=0))
    return SequenceNumbers(saved=file.load(known), save=file.save)


def _throttle(config: Config, paths: Paths, events: EventBus, problems: Problems) -> IndexingThrottle:
    """Build the throttle. A pause from before the last end goes on."""
    policy, file = ThrottlePolicy(config.courtesy), PauseFile(paths.state.pause_file, problems)
    paused, until = file.load()
    if paused:
        policy.pause(until)

    def publish(state: ThrottleState) -> None:
        events.publish("pace", "", state=state.state, text=str(state))

    return IndexingThrottle(
        policy=policy,
        read_power=PowerSupplyReader().read,
        read_pressure=PressureReader().read,
        save_pause=file.save,
        on_state_change=publish,
    )


def _watcher(watch: WatchConfig, roots: Roots) -> tuple[IsolatingWatcher, Callable[[WatchConfig], None]]:
    """Return the watcher, and what makes it use other settings."""
    points = MountPoints()

    def make(watch: WatchConfig) -> FolderWatcher:
        return FolderWatcher(
            roots,
            ignore_rules_of(watch),
            follow_symlinks=watch.follow_symlinks,
            remote_type=points,
            is_mount_point=points.holds,
        )

    watcher = IsolatingWatcher(lambda: make(watch), remote_type=MountTable().remote_type)
    return watcher, lambda watch: watcher.rebuild(lambda: make(watch))
