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
from phsearch.adapters.linux.process_limits import behind
from phsearch.adapters.state.json_files import PauseFile, RemovedFile
from phsearch.adapters.watch import FolderWatcher, Watchers
from phsearch.daemon import worker_commands as workers
from phsearch.domain.indexing.batching import Batcher
from phsearch.domain.library import Library
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.domain.throttle.policy import Courtesy
from phsearch.service.events import Events
from phsearch.service.indexing.photo_index import Catalog
from phsearch.service.indexing.router import Pipelines
from phsearch.service.indexing.store_writer import Writer
from phsearch.service.roots.event_dispatcher import Intake
from phsearch.service.roots.manager import Household, rules_of
from phsearch.service.roots.removed_roots import RemovedRoots
from phsearch.service.roots.root import Builder
from phsearch.service.roots.sync_barrier import Barrier
from phsearch.service.threads import Lane
from phsearch.service.throttle import Governor
from phsearch.service.workers.image_worker import Embedder
from phsearch.service.workers.model_state import ModelState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from phsearch.config import Config, Places, WatchConfig
    from phsearch.domain.ports import Store, Watcher
    from phsearch.service.workers.process import WorkerCommand

_AHEAD = 3
_STORE_PATIENCE = 1800.0
"""A million photos' table is 1.5 GB, and on a card that writes 2 MB/s tidying it up takes 25 minutes. Whoever is ended
before that begins again at the next start, and would never come to the end of it."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """The threads for blocking work."""

    store: Lane
    rank: Lane
    verify: Lane

    def close(self) -> None:
        """End them; who waits for the store comes first."""
        for lane in (self.verify, self.rank, self.store):
            lane.close()


@dataclass(frozen=True, slots=True)
class Indexing:
    """The parts that keep the index."""

    roots: Roots
    library: Library
    index: VectorIndex
    lanes: Lanes
    events: Events
    model: ModelState
    governor: Governor
    command: Callable[[Config], WorkerCommand]
    embedder: Embedder
    writer: Writer
    catalog: Catalog
    pipelines: Pipelines
    removed: RemovedRoots
    watcher: Watcher
    household: Household
    barrier: Barrier
    intake: Intake


def indexing(
    config: Config, places: Places, env: Mapping[str, str], store: Store, program: tuple[str, ...]
) -> Indexing:
    """Put them together; nothing runs yet. Raises StoreError."""
    roots = Roots(places.roots)
    library, index, outside = known(store, roots)
    lanes = Lanes(Lane("store", _STORE_PATIENCE), Lane("rank"), Lane("verify"))
    events = Events()
    model = ModelState(config.model.name, config.model.pretrained, store, lanes.store)
    governor = _governor(config, places, events)
    command = functools.partial(workers.index_worker, env=env, program=program, roots=lambda: household.there)
    embedder = Embedder(
        command(config),
        model,
        Batcher(config.model.batch_size or 16, _AHEAD),
        config.index.keep_alive_seconds,
        workers.index_worker_limits(config.index),
        governor,
    )
    writer = Writer(store, lanes.store, idle=lambda: pipelines.pending == 0, give_back=processes.give_back)
    catalog = Catalog(library, index, lanes.rank, writer, events, roots)
    pipelines: Pipelines = Pipelines(roots, embedder, catalog.keep)
    governor.busy = lambda: pipelines.pending > 0 or embedder.busy
    governor.holding = lambda: embedder.running
    events.heard = pipelines.stir
    file = RemovedFile(places.state / "index" / "removed.json")
    removed = RemovedRoots(file, config.watch, outside, store, lanes.store, writer)
    watcher, rewatch = _watcher(config.watch, roots)
    builder = Builder(
        roots,
        watcher,
        MountTable().read,
        behind(digest),
        workers.decoder(),
        catalog,
        pipelines,
        writer,
        events,
        governor.turn,
    )
    household: Household = Household(
        roots,
        config.watch,
        builder,
        scanner(roots, places.state),
        watcher,
        rewatch,
        catalog,
        pipelines,
        events,
        removed,
        store.load_volumes(),
    )
    barrier = Barrier(watcher, household.keepers, pipelines, governor)
    intake = Intake(roots, household.keepers, catalog, pipelines, barrier.marked)
    return Indexing(
        roots,
        library,
        index,
        lanes,
        events,
        model,
        governor,
        command,
        embedder,
        writer,
        catalog,
        pipelines,
        removed,
        watcher,
        household,
        barrier,
        intake,
    )


def known(store: Store, roots: Roots) -> tuple[Library, VectorIndex, list[tuple[str, str]]]:
    """Load the index. What lies in no root now is not shown: its paths are given, each with the root it had."""
    photos, vectors = store.load()
    rows = [row for row, photo in enumerate(photos) if roots.of(photo.path) is not None]
    # Roots may have been nested otherwise when the photo was indexed.
    inside = [dataclasses.replace(photos[row], root=roots.of(photos[row].path) or "") for row in rows]
    failures = store.load_failures()
    index = VectorIndex()
    index.load(inside, vectors[rows])
    outside = [(photo.path, photo.root) for photo in photos if roots.of(photo.path) is None]
    # Of failures it is not on record which root they had; mostly there are photos that tell.
    former = Roots(root for _, root in outside)
    lost = [failure.path for failure in failures if roots.of(failure.path) is None]
    outside += [(path, former.of(path) or path.rpartition("/")[0]) for path in lost]
    return Library(inside, [each for each in failures if roots.of(each.path) is not None]), index, outside


def scanner(roots: Roots, state: Path) -> Callable[[WatchConfig], FolderScanner]:
    """Give what makes the scanner by the settings of a time."""
    apart = str(state / "albums")
    return lambda watch: FolderScanner(roots, rules_of(watch), follow_symlinks=watch.follow_symlinks, apart=apart)


def _governor(config: Config, places: Places, events: Events) -> Governor:
    """Make what decides how much of the time indexing may take; a pause from before the last end goes on."""
    courtesy, file = Courtesy(config.courtesy), PauseFile(places.state / "pause.json")
    paused, until = file.load()
    if paused:
        courtesy.pause(until)
    governor = Governor(courtesy, PowerSupplies().read, Pressures().read, file.save)
    governor.listeners.append(lambda pace: events.publish("pace", "", state=pace.state, text=str(pace)))
    return governor


def _watcher(watch: WatchConfig, roots: Roots) -> tuple[Watchers, Callable[[WatchConfig], None]]:
    """Give the watcher, and what has it keep to other settings."""
    remote = RemoteMounts()

    def make(watch: WatchConfig) -> FolderWatcher:
        return FolderWatcher(roots, rules_of(watch), follow_symlinks=watch.follow_symlinks, remote=remote)

    watcher = Watchers(lambda: make(watch), MountTable().remote)
    return watcher, lambda watch: watcher.renew(lambda: make(watch))
