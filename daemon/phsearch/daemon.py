"""The composition root: every part is made here and handed to those that need it, so that it can be read aloud.

Start: store, socket, watcher, ready, workers, reconcile. Stop: socket, watcher, what is under way, store.
"""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import functools
import importlib.metadata
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from phsearch import __version__
from phsearch.adapters import descriptors, memory
from phsearch.adapters.digest import digest
from phsearch.adapters.fs_scan import FolderScanner
from phsearch.adapters.fs_sight import sight
from phsearch.adapters.mounts import MountTable, RemoteMounts
from phsearch.adapters.systemd import Notifier
from phsearch.adapters.watch import FolderWatcher, Watchers
from phsearch.domain import allowance
from phsearch.domain.batching import Batcher
from phsearch.domain.library import Library
from phsearch.domain.ranking import VectorIndex
from phsearch.domain.reconcile import Brake
from phsearch.domain.roots import Roots
from phsearch.domain.rules import Rules
from phsearch.domain.settle import Settler
from phsearch.errors import StoreError
from phsearch.service.api import Api
from phsearch.service.barrier import Barrier
from phsearch.service.catalog import Catalog
from phsearch.service.disk import RootDisk
from phsearch.service.embedder import Embedder
from phsearch.service.events import Events
from phsearch.service.intake import Intake
from phsearch.service.lanes import Lane
from phsearch.service.methods import About, Finding, Upkeep
from phsearch.service.model import ModelState
from phsearch.service.overseer import Limits
from phsearch.service.pipeline import Pipeline, Questions
from phsearch.service.pipelines import Pipelines
from phsearch.service.presence import Presence
from phsearch.service.process import WorkerCommand
from phsearch.service.reconciler import Reconciler
from phsearch.service.rootkeeper import RootKeeper
from phsearch.service.searcher import Searcher, TextTowerProcess
from phsearch.service.server import Server, listen
from phsearch.service.status import Status
from phsearch.service.verify import FileCheck, RowCheck, SampleCheck, Verifier
from phsearch.service.why import Why
from phsearch.service.writer import Writer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from phsearch.config import Config, Places
    from phsearch.domain.ports import Store, Watcher
    from phsearch.domain.types import FsEvent, Volume

log = logging.getLogger("phsearch")

WORKER = (sys.executable, "-P", "-m", "phsearch.worker")
"""-P: what lies in the directory we were started in is not to be imported."""

_INDEX_NICE = 19
_INDEX_EXPENDABLE = 800
_AHEAD = 3
_AT_ONCE = 4
_M_ARENA_MAX = -8
_STOP_SECONDS = 10.0

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


def run(config: Config, places: Places, env: Mapping[str, str], worker: tuple[str, ...] = WORKER) -> int:
    """Run until SIGTERM or SIGINT; gives the exit status. Raises PhsearchError when it cannot start.

    `worker` is the program of a tower worker; a test may give its own.
    """
    os.umask(0o077)
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    os.environ.setdefault("LANCEDB_LOG", "error")
    from phsearch.adapters.store_lance import LanceStore  # noqa: PLC0415 - reads LANCEDB_LOG when it is imported

    name = config.model.name + (f"/{config.model.pretrained}" if config.model.pretrained else "")
    store = LanceStore(places.state / "index", name)
    listener = listen(places.socket)
    try:
        asyncio.run(_serve(config, places, env, store, listener, worker))
    finally:
        listener.close()
        places.socket.unlink(missing_ok=True)
        store.close()
    return 0


async def _serve(
    config: Config,
    places: Places,
    env: Mapping[str, str],
    store: Store,
    listener: socket.socket,
    worker: tuple[str, ...],
) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    # What is known.
    roots = Roots(places.roots)
    library, index = _known(store, roots)

    # What changes it.
    # torch makes a directory for compiled code when it is imported, in /tmp where nobody says otherwise.
    worker_env = {**env, **_WORKER_ENV, "TORCHINDUCTOR_CACHE_DIR": str(places.state / "torch")}
    store_lane, rank_lane, verify_lane = Lane("store"), Lane("rank"), Lane("verify")
    events = Events()
    model = ModelState(config.model.name, config.model.pretrained, store, store_lane)
    rules = Rules(config.watch.ignore, config.watch.hidden, config.watch.min_bytes)
    scanner = FolderScanner(roots, rules, follow_symlinks=config.watch.follow_symlinks)
    batcher = Batcher(config.model.batch_size or 16, _AHEAD)
    embedder = Embedder(
        _index_worker(
            config, worker_env, worker, lambda: [root for root, kept in keepers.items() if kept.state != "offline"]
        ),
        model,
        batcher,
        config.index.keep_alive_seconds,
        _limits(config),
    )
    writer = Writer(store, store_lane, idle=lambda: pipelines.pending == 0)
    catalog = Catalog(library, index, rank_lane, writer, events, roots)
    mounts = MountTable()
    watcher = _watcher(config, roots, rules, mounts)
    pipelines, keepers = _keep(
        config, roots, mounts, watcher, scanner, catalog, embedder, writer, events, store.load_volumes()
    )
    barrier = Barrier(watcher, keepers, pipelines)
    intake = Intake(roots, keepers, catalog, pipelines, barrier.marked)

    # What answers.
    text_tower = TextTowerProcess(_query_worker(config, worker_env, worker), model)
    searcher = Searcher(text_tower, model, library, index, rank_lane)
    status = Status(catalog, pipelines, embedder, writer, model, keepers)
    why = Why(roots, rules, library, pipelines, keepers, searcher, model, sight, follow=config.watch.follow_symlinks)
    verifier = Verifier(
        library,
        model,
        RowCheck(store, store_lane, writer, library, index, rank_lane, roots, verify_lane),
        FileCheck(library, pipelines, roots, keepers),
        SampleCheck(pipelines, library, index, rank_lane, embedder, model),
    )
    finding = Finding(searcher, status, library, keepers, why, barrier)
    upkeep = Upkeep(library, roots, keepers, pipelines, verifier)
    server = Server(Api([finding.calls, upkeep.calls, About(status).calls]), events, descriptors.raise_limit())
    notifier = Notifier(env)

    await server.start(listener)
    watcher.start(lambda event: _post(loop, intake, event))
    notifier.ready()
    log.info("phsearch %s: %s photos indexed, listening on %s", __version__, f"{len(library):,}", places.socket)
    try:
        async with asyncio.TaskGroup() as group:
            runs = (text_tower.run(), embedder.run(), pipelines.run(), writer.run())
            keeping = (keeper.run() for keeper in keepers.values())
            tasks = [group.create_task(work) for work in (*runs, *keeping, _keep_informed(notifier, status))]
            await stopping.wait()
            log.info("stopping")
            notifier.stopping()
            await server.stop()
            await asyncio.to_thread(watcher.close)
            for task in tasks:
                task.cancel()
    finally:
        for keeper in keepers.values():
            keeper.close()
        await _write_the_rest(writer)
        for lane in (verify_lane, rank_lane, store_lane):
            lane.close()


def _keep(
    config: Config,
    roots: Roots,
    mounts: MountTable,
    watcher: Watcher,
    scanner: FolderScanner,
    catalog: Catalog,
    embedder: Embedder,
    writer: Writer,
    events: Events,
    volumes: Iterable[Volume],
) -> tuple[Pipelines, dict[str, RootKeeper]]:
    """Give each root its own way to its disk, its own pipeline and its keeper."""
    pipelines = Pipelines(roots, embedder)
    brake = Brake(config.watch.brake_share, config.watch.brake_photos)
    decoder = _decoder()
    keepers = {}
    for root in roots:
        disk = RootDisk(f"disk {root}", config.watch.disk_seconds, _AT_ONCE)
        presence = Presence(root, roots, mounts.read, scanner.look, volumes, writer)
        # Whoever may write into the folder may swap a link in between the look and the read.
        read = functools.partial(digest, root=None if config.watch.follow_symlinks else root)
        ask = Questions(presence.look_all, read, time.time_ns)
        settler = Settler(config.watch.settle_seconds)
        pipeline = Pipeline(root, disk, ask, settler, catalog, pipelines, decoder)
        pipelines.add(root, pipeline)
        reconciler = Reconciler(root, roots, scanner, disk, presence, catalog.library, pipeline, brake)
        keepers[root] = RootKeeper(root, watcher, disk, presence, reconciler, catalog, pipelines, events, config.watch)
    return pipelines, keepers


def _known(store: Store, roots: Roots) -> tuple[Library, VectorIndex]:
    """Load the index. Photos of roots that are not watched now are neither shown nor forgotten."""
    photos, vectors = store.load()
    rows = [row for row, photo in enumerate(photos) if roots.of(photo.path) is not None]
    # Roots may have been nested otherwise when the photo was indexed.
    inside = [dataclasses.replace(photos[row], root=roots.of(photos[row].path) or "") for row in rows]
    failures = [failure for failure in store.load_failures() if roots.of(failure.path) is not None]
    index = VectorIndex()
    index.load([photo.path for photo in inside], vectors[rows])
    return Library(inside, failures), index


def _watcher(config: Config, roots: Roots, rules: Rules, mounts: MountTable) -> Watchers:
    remote, follow = RemoteMounts(), config.watch.follow_symlinks
    return Watchers(lambda: FolderWatcher(roots, rules, follow_symlinks=follow, remote=remote), mounts.remote)


def _post(loop: asyncio.AbstractEventLoop, intake: Intake, event: FsEvent) -> None:
    try:
        loop.call_soon_threadsafe(intake.take, event)
    except RuntimeError:
        # The loop has ended: the watcher's last words concern the next start's reconcile.
        log.debug("after the end: %s", event)


async def _write_the_rest(writer: Writer) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await writer.flush()
    except (StoreError, TimeoutError) as error:
        log.warning("the last changes were not written and will be found again at the next start: %s", error)


async def _keep_informed(notifier: Notifier, status: Status) -> None:
    """Measure the rate and tell systemd, once a second while there is work, else once a minute."""
    before = ""
    while True:
        status.sample()
        line = status.line()
        if line != before:
            notifier.status(line)
            before = line
        await asyncio.sleep(1)


def _index_worker(
    config: Config, env: Mapping[str, str], program: tuple[str, ...], there: Callable[[], Sequence[str]] = tuple
) -> WorkerCommand:
    setup = {
        "tower": "image",
        "name": config.model.name,
        "pretrained": config.model.pretrained,
        "device": config.model.device,
        "precision": config.model.precision,
        "batch_size": config.model.batch_size,
        "torch_threads": 0,
        "decode_threads": config.index.decode_threads,
        "max_megapixels": config.index.max_megapixels,
        "follow_symlinks": config.watch.follow_symlinks,
    }
    return WorkerCommand(setup, env, program, nice=_INDEX_NICE, expendable=_INDEX_EXPENDABLE, roots=there)


def _limits(config: Config) -> Limits:
    threads = config.index.decode_threads or os.cpu_count() or 1
    machine = memory.machine()

    def allowed(loaded: int) -> int:
        wanted = config.index.worker_memory_mb
        limit = allowance.worker_limit(wanted, loaded, threads, config.index.max_megapixels, machine)
        if wanted and limit > wanted * allowance.MB:
            needed = (loaded // allowance.MB, limit // allowance.MB)
            log.warning(
                "index.worker_memory_mb = %d is too little: the model alone takes %d; using %d", wanted, *needed
            )
        return limit

    return Limits(config.index.photo_seconds, memory.own, allowed)


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
