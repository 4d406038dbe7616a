"""The composition root: every part is made here and handed to those that need it, so that it can be read aloud.

Start: store, socket, watcher, ready, workers, reconcile. Stop: socket, watcher, what is under way, store.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import dataclasses
import functools
import importlib.metadata
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from phsearch import __version__, logs
from phsearch.adapters import descriptors, memory, processes
from phsearch.adapters.digest import digest
from phsearch.adapters.fs_scan import FolderScanner
from phsearch.adapters.fs_sight import sight
from phsearch.adapters.mounts import MountTable, RemoteMounts
from phsearch.adapters.pause_file import PauseFile
from phsearch.adapters.power import PowerSupplies
from phsearch.adapters.pressure import Pressures
from phsearch.adapters.priority import behind
from phsearch.adapters.removed_file import RemovedFile
from phsearch.adapters.systemd import PRIVATE, Notifier
from phsearch.adapters.watch import FolderWatcher, Watchers
from phsearch.domain import allowance
from phsearch.domain.batching import Batcher
from phsearch.domain.bottleneck import Machine
from phsearch.domain.courtesy import Courtesy
from phsearch.domain.doctor.places import Space
from phsearch.domain.library import Library
from phsearch.domain.ranking import VectorIndex
from phsearch.domain.roots import Roots
from phsearch.errors import StoreError
from phsearch.service.api import Api
from phsearch.service.assistant import Assistant
from phsearch.service.barrier import Barrier
from phsearch.service.catalog import Catalog
from phsearch.service.disk import RootDisk
from phsearch.service.embedder import Embedder
from phsearch.service.events import Events
from phsearch.service.figures import Figures
from phsearch.service.governor import Governor
from phsearch.service.heartbeat import Heartbeat
from phsearch.service.home import Builder
from phsearch.service.household import Household, rules_of
from phsearch.service.intake import Intake
from phsearch.service.lanes import Lane
from phsearch.service.load import Load
from phsearch.service.methods import About, Configuring, Diagnosis, Finding, Looks, Metering, Upkeep
from phsearch.service.model import ModelState
from phsearch.service.overseer import Limits
from phsearch.service.parts import Parts
from phsearch.service.pipelines import Pipelines
from phsearch.service.process import WorkerCommand
from phsearch.service.reload import Reload
from phsearch.service.removed import RemovedRoots
from phsearch.service.searcher import Searcher, TextTowerProcess
from phsearch.service.server import Server, listening
from phsearch.service.status import Status
from phsearch.service.verify import FileCheck, RowCheck, SampleCheck, Verifier
from phsearch.service.why import Why
from phsearch.service.writer import Writer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from phsearch.config import Config, IndexConfig, Places, WatchConfig
    from phsearch.domain.ports import Store
    from phsearch.domain.types import FsEvent
    from phsearch.service.api import Calls
    from phsearch.settings import Settings

log = logging.getLogger("phsearch")

WORKER = (sys.executable, "-P", "-m", "phsearch.worker")
"""-P: what lies in the directory we were started in is not to be imported."""

_INDEX_NICE = 19
"""The lowest that still gets its turn. SCHED_IDLE gets a fifth of that: beside busy programs a sound photo would take
longer than `index.photo_seconds`, and be blamed for it.
"""

_INDEX_EXPENDABLE = 800
_AHEAD = 3
_OWN_DISK_SECONDS = 2.0
_M_ARENA_MAX = -8
_STOP_SECONDS = 10.0
_STORE_PATIENCE = 1800.0
"""A million photos' table is 1.5 GB, and on a card that writes 2 MB/s tidying it up takes 25 minutes. Whoever is ended
before that begins again at the next start, and would never come to the end of it."""

_WORKER_ENV = {
    # A spinning OpenMP thread takes the processor from the decoders: 7 -> 17 photos/s beside one busy process.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    # Two arenas instead of eight per core: the decode threads would otherwise keep hundreds of megabytes.
    "MALLOC_ARENA_MAX": "2",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_ETAG_TIMEOUT": "5",
    "TRANSFORMERS_VERBOSITY": "error",
}


def run(
    settings: Settings,
    read: Callable[[], Settings],
    env: Mapping[str, str],
    inherited: socket.socket | None,
    worker: tuple[str, ...] = WORKER,
) -> int:
    """Run until SIGTERM or SIGINT; gives the exit status. Raises PhsearchError when it cannot start.

    `read` reads the settings again; `inherited` is the listening socket where systemd holds one for us; `worker` is the
    program of a tower worker, and a test may give its own.
    """
    config, places = settings.config, settings.places
    os.umask(0o077)
    # Before there is something to reload it would end us, and systemd takes that for a wish to stay down.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _calm_memory()
    os.environ.setdefault("LANCEDB_LOG", "error")
    from phsearch.adapters.store_lance import LanceStore  # noqa: PLC0415 - reads the environment when it is imported

    name = config.model.name + (f"/{config.model.pretrained}" if config.model.pretrained else "")
    store = LanceStore(places.state / "index", name)
    for table, size in store.former().items():
        log.info("%s.lance of a former model takes %.1f MB; it may be removed by hand", table, size / 1e6)
    try:
        with contextlib.nullcontext(inherited) if inherited else listening(places.socket) as listener:
            asyncio.run(_serve(settings, read, env, store, listener, worker))
    finally:
        store.close()
    return 0


async def _serve(  # noqa: PLR0915
    settings: Settings,
    read: Callable[[], Settings],
    env: Mapping[str, str],
    store: Store,
    listener: socket.socket,
    worker: tuple[str, ...],
) -> None:
    config, places = settings.config, settings.places
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    # What is known.
    roots = Roots(places.roots)
    library, index, outside = _known(store, roots)

    # What changes it.
    # torch makes a directory for compiled code when it is imported, in /tmp where nobody says otherwise.
    own_env = {name: value for name, value in env.items() if name not in PRIVATE}
    worker_env = {**own_env, **_WORKER_ENV, "TORCHINDUCTOR_CACHE_DIR": str(places.state / "torch")}
    store_lane, rank_lane, verify_lane = Lane("store", _STORE_PATIENCE), Lane("rank"), Lane("verify")
    events = Events()
    model = ModelState(config.model.name, config.model.pretrained, store, store_lane)
    governor = _governor(config, places, events)
    command = functools.partial(
        _index_worker,
        env=worker_env,
        program=worker,
        roots=lambda: household.there,
    )
    embedder = Embedder(
        command(config),
        model,
        Batcher(config.model.batch_size or 16, _AHEAD),
        config.index.keep_alive_seconds,
        _limits(config.index),
        governor,
    )
    writer = Writer(store, store_lane, idle=lambda: pipelines.pending == 0, give_back=memory.give_back)
    catalog = Catalog(library, index, rank_lane, writer, events, roots)
    pipelines: Pipelines = Pipelines(roots, embedder, catalog.keep)
    governor.busy = lambda: pipelines.pending > 0 or embedder.busy
    governor.holding = lambda: embedder.running
    events.heard = pipelines.stir
    removed = RemovedRoots(
        RemovedFile(places.state / "index" / "removed.json"), config.watch, outside, store, store_lane, writer
    )
    mounts = MountTable()
    watcher, rewatch = _watcher(config.watch, roots, mounts)
    builder = Builder(
        roots, watcher, mounts.read, behind(digest), _decoder(), catalog, pipelines, writer, events, governor.turn
    )
    household: Household = Household(
        roots,
        config.watch,
        builder,
        _scanner(roots),
        watcher,
        rewatch,
        catalog,
        pipelines,
        events,
        removed,
        store.load_volumes(),
    )
    keepers = household.keepers
    barrier = Barrier(watcher, keepers, pipelines, governor)
    intake = Intake(roots, keepers, catalog, pipelines, barrier.marked)

    # What answers.
    text_tower = TextTowerProcess(_query_worker(config, worker_env, worker), model)
    searcher = Searcher(text_tower, model, library, index, rank_lane)
    load = Load(
        pipelines,
        embedder,
        writer,
        lambda: _machine(reload.config.index, model, len(roots)),
        lambda: "" if governor.pace.state == "full" else str(governor.pace),
    )
    status = Status(catalog, pipelines, embedder, writer, model, keepers, removed, governor, load)
    why = Why(
        roots,
        lambda: household.rules,
        library,
        pipelines,
        keepers,
        searcher,
        model,
        sight,
        governor,
        follow=lambda: household.watch.follow_symlinks,
    )
    verifier = Verifier(
        library,
        model,
        RowCheck(store, store_lane, writer, library, index, rank_lane, roots, verify_lane),
        FileCheck(library, pipelines, roots, keepers),
        SampleCheck(pipelines, library, index, rank_lane, embedder, model, governor),
    )
    parts = Parts(
        catalog, pipelines, embedder, text_tower, writer, model, keepers, searcher, load, Figures(store, store_lane)
    )
    notifier = Notifier(env)
    reload: Reload = Reload(
        read,
        settings,
        roots,
        household,
        removed,
        library,
        _live(config, removed, embedder, governor, command),
        notifier.reloading,
        notifier.ready,
    )
    loop.add_signal_handler(signal.SIGHUP, _hangup(stopping.set, reload.ask))
    groups = (
        Finding(searcher, status, library, keepers, why, barrier, governor).calls,
        Upkeep(library, roots, keepers, pipelines, verifier, governor).calls,
        Configuring(reload, removed, roots).calls,
        *_about(places, parts, status, governor, lambda: server.connections),
    )
    server: Server = Server(Assistant(Api(groups)), events, descriptors.raise_limit())
    heartbeat = Heartbeat(
        notifier.alive, notifier.watchdog_seconds, (store_lane, rank_lane, verify_lane, text_tower, embedder)
    )

    await server.start(listener)
    watcher.start(lambda event: _post(loop, intake, event))
    notifier.ready()
    beating = asyncio.create_task(heartbeat.run())  # until the very end: stopping is work that may hang, too
    log.info(
        "phsearch %s: %s photos indexed, listening on %s", __version__, f"{len(library):,}", listener.getsockname()
    )
    try:
        async with asyncio.TaskGroup() as group:
            runs = (text_tower.run(), embedder.run(), household.run(), writer.run(), removed.run(), reload.run())
            informing = _keep_informed(notifier, status, pipelines.stirred)
            tasks = [group.create_task(work) for work in (*runs, governor.run(), informing)]
            await stopping.wait()
            log.info("stopping")
            notifier.stopping()
            await server.stop()
            await asyncio.to_thread(watcher.close)
            for task in tasks:
                task.cancel()
    finally:
        await _wind_up(household, writer, beating, (verify_lane, rank_lane, store_lane))


def _scanner(roots: Roots) -> Callable[[WatchConfig], FolderScanner]:
    return lambda watch: FolderScanner(roots, rules_of(watch), follow_symlinks=watch.follow_symlinks)


def _governor(config: Config, places: Places, events: Events) -> Governor:
    """Make what decides how much of the time indexing may take; a pause from before the last end goes on."""
    courtesy, file = Courtesy(config.courtesy), PauseFile(places.state / "pause.json")
    paused, until = file.load()
    if paused:
        courtesy.pause(until)
    governor = Governor(courtesy, PowerSupplies().read, Pressures().read, file.save)
    governor.listeners.append(lambda pace: events.publish("pace", "", state=pace.state, text=str(pace)))
    return governor


def _watcher(watch: WatchConfig, roots: Roots, mounts: MountTable) -> tuple[Watchers, Callable[[WatchConfig], None]]:
    """Give the watcher, and what has it keep to other settings."""
    remote = RemoteMounts()

    def make(watch: WatchConfig) -> FolderWatcher:
        return FolderWatcher(roots, rules_of(watch), follow_symlinks=watch.follow_symlinks, remote=remote)

    watcher = Watchers(lambda: make(watch), mounts.remote)
    return watcher, lambda watch: watcher.renew(lambda: make(watch))


def _calm_memory() -> None:
    """Have libraries that are yet to be imported keep less of the memory they no longer need."""
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    # Arrow's own allocator grows for as long as it is used: by 100 MB and more in 1,000 batches, where the C library's
    # grows by 30 and then no more.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def _known(store: Store, roots: Roots) -> tuple[Library, VectorIndex, list[tuple[str, str]]]:
    """Load the index. What lies in no root now is not shown: its paths are given, each with the root it had."""
    photos, vectors = store.load()
    rows = [row for row, photo in enumerate(photos) if roots.of(photo.path) is not None]
    # Roots may have been nested otherwise when the photo was indexed.
    inside = [dataclasses.replace(photos[row], root=roots.of(photos[row].path) or "") for row in rows]
    failures = store.load_failures()
    index = VectorIndex()
    index.load([photo.path for photo in inside], vectors[rows])
    outside = [(photo.path, photo.root) for photo in photos if roots.of(photo.path) is None]
    # Of failures it is not on record which root they had; mostly there are photos that tell.
    former = Roots(root for _, root in outside)
    lost = [failure.path for failure in failures if roots.of(failure.path) is None]
    outside += [(path, former.of(path) or path.rpartition("/")[0]) for path in lost]
    return Library(inside, [each for each in failures if roots.of(each.path) is not None]), index, outside


def _post(loop: asyncio.AbstractEventLoop, intake: Intake, event: FsEvent) -> None:
    try:
        loop.call_soon_threadsafe(intake.take, event)
    except RuntimeError:
        # The loop has ended: the watcher's last words concern the next start's reconcile.
        log.debug("after the end: %s", event)


def _hangup(stop: Callable[[], None], reload: Callable[[], None]) -> Callable[[], None]:
    """Give what SIGHUP does: the terminal we were started from was closed, or else somebody wants a reload."""
    at_terminal = sys.stderr.isatty()
    return lambda: stop() if at_terminal and not sys.stderr.isatty() else reload()


async def _wind_up(household: Household, writer: Writer, beating: asyncio.Task[None], lanes: Iterable[Lane]) -> None:
    household.close()
    await _write_the_rest(writer)
    beating.cancel()
    for lane in lanes:
        lane.close()


async def _write_the_rest(writer: Writer) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await writer.flush()
    except (StoreError, TimeoutError) as error:
        log.warning("the last changes were not written and will be found again at the next start: %s", error)


async def _keep_informed(notifier: Notifier, status: Status, stirred: asyncio.Event) -> None:
    """Measure the rate and tell systemd, once a second while there is work; a daemon at rest never wakes for it."""
    before = ""
    while True:
        stirred.clear()
        status.sample()
        line = status.line()
        if line != before:
            notifier.status(line)
            before = line
        await (asyncio.sleep(1) if status.pending or status.scanning else stirred.wait())


def _live(
    config: Config,
    removed: RemovedRoots,
    embedder: Embedder,
    governor: Governor,
    command: Callable[[Config], WorkerCommand],
) -> dict[str, Callable[[Any], None]]:
    """Give what takes each section of the settings at run time; who changes any other is told to start it anew."""
    now = config

    def hire(**sections: Any) -> None:
        nonlocal now
        now = dataclasses.replace(now, **sections)
        embedder.take(command(now), now.index.keep_alive_seconds, _limits(now.index))

    def watch(section: WatchConfig) -> None:
        # Which files a worker may read is settled when it starts.
        if section.follow_symlinks != now.watch.follow_symlinks:
            hire(watch=section)
        removed.take(section)

    return {
        "watch": watch,
        "index": lambda section: hire(index=section),
        "courtesy": governor.take,
        "log": lambda section: logs.set_level(section.level),
    }


def _index_worker(
    config: Config, env: Mapping[str, str], program: tuple[str, ...], roots: Callable[[], Sequence[str]] = tuple
) -> WorkerCommand:
    setup = {
        "tower": "image",
        "name": config.model.name,
        "pretrained": config.model.pretrained,
        "device": config.model.device,
        "precision": config.model.precision,
        "batch_size": config.model.batch_size,
        "gpu_memory_mb": config.model.gpu_memory_mb,
        "torch_threads": 0,
        "decode_threads": config.index.decode_threads,
        "max_megapixels": config.index.max_megapixels,
        "follow_symlinks": config.watch.follow_symlinks,
    }
    return WorkerCommand(setup, env, program, nice=_INDEX_NICE, expendable=_INDEX_EXPENDABLE, roots=roots)


def _about(
    places: Places, parts: Parts, status: Status, governor: Governor, connections: Callable[[], int]
) -> list[Calls]:
    """Give the methods by which the daemon speaks of itself."""
    looks = Looks(processes.inotify, lambda path: Space.of(path, os.statvfs(path)), processes.resident, memory.machine)
    disk = RootDisk("disk of the state", _OWN_DISK_SECONDS)
    metering = Metering(parts, processes.resident, processes.open_files, connections)
    diagnosis = Diagnosis(places.state, parts, status, disk, looks)
    return [About(status, governor).calls, diagnosis.calls, metering.calls]


def _machine(index: IndexConfig, model: ModelState, roots: int) -> Machine:
    processors = os.cpu_count() or 1
    device = model.photos_by.device if model.photos_by else "cpu"
    return Machine(processors, 2 * roots, index.decode_threads or processors, device)


def _limits(index: IndexConfig) -> Limits:
    threads = index.decode_threads or os.cpu_count() or 1
    machine = memory.machine()

    def allowed(loaded: int) -> int:
        wanted = index.worker_memory_mb
        limit = allowance.worker_limit(wanted, loaded, threads, index.max_megapixels, machine)
        if wanted and limit > wanted * allowance.MB:
            needed = (loaded // allowance.MB, limit // allowance.MB)
            log.warning(
                "index.worker_memory_mb = %d is too little: the model alone takes %d; using %d", wanted, *needed
            )
        return limit

    return Limits(index.photo_seconds, memory.own, allowed)


def _query_worker(config: Config, env: Mapping[str, str], program: tuple[str, ...]) -> WorkerCommand:
    setup = {
        "tower": "text",
        "name": config.model.name,
        "pretrained": config.model.pretrained,
        # A few words are quick on any processor, and a GPU kept awake for them would never sleep.
        "device": "cpu",
        "precision": "fp32" if config.model.precision == "fp32" else "auto",
        "torch_threads": min(4, os.cpu_count() or 1),
    }
    return WorkerCommand(setup, env, program)


def _decoder() -> str:
    """Name what decodes photos: when any of it changes, files that failed deserve another try."""
    libraries = ("pillow", "pillow-heif", "pillow-jxl-plugin", "rawpy")
    return ", ".join([f"phsearch {__version__}", *(f"{name} {importlib.metadata.version(name)}" for name in libraries)])
