"""What answers: search, status and everything else that can be asked on the socket."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phsearch import logs, paths
from phsearch.adapters.files.path_status import stat_path
from phsearch.adapters.linux import process_limits, processes
from phsearch.adapters.state import calibration_file
from phsearch.adapters.state.album_links import AlbumLinks
from phsearch.daemon import worker_commands
from phsearch.daemon.worker_commands import index_worker_limits, on_demand_limits
from phsearch.domain import file_type
from phsearch.domain.doctor.file_checks import Space
from phsearch.domain.histogram import Histogram
from phsearch.domain.search.filters import FilterCompiler
from phsearch.domain.throughput import Capacity
from phsearch.model_files import BUNDLED
from phsearch.service.config_reload import ConfigReloader
from phsearch.service.health.components import Components
from phsearch.service.health.status import StatusReporter
from phsearch.service.health.throughput import ThroughputMonitor
from phsearch.service.indexing.store_writer import StoreStats
from phsearch.service.rpc.dispatcher import Dispatcher
from phsearch.service.rpc.methods import (
    AlbumMethods,
    ConfigMethods,
    DaemonMethods,
    DoctorMethods,
    DuplicateMethods,
    LibraryMethods,
    MetricsMethods,
    SearchMethods,
    SystemProbes,
    ThumbnailMethods,
)
from phsearch.service.rpc.methods.metrics import QUERY_SECONDS
from phsearch.service.rpc.server import Server
from phsearch.service.search.albums import Albums
from phsearch.service.search.duplicates import DuplicateFinder
from phsearch.service.search.explain import PathExplainer
from phsearch.service.search.image_query import ImageQueryEmbedder
from phsearch.service.search.query_embedder import QueryEmbedder, TextVectorCache
from phsearch.service.search.searcher import CalibrationCache, Searcher
from phsearch.service.search.thumbnails import Thumbnails
from phsearch.service.threads import TimeoutExecutor
from phsearch.service.verify import FileCheck, RowCheck, SampleCheck, Verifier
from phsearch.service.workers.on_demand import OnDemandWorker
from phsearch.service.workers.text_worker import TextWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.adapters.linux.systemd import SystemdNotifier
    from phsearch.config import Config, IndexConfig, Settings, WatchConfig
    from phsearch.daemon.compose_index import IndexParts
    from phsearch.daemon.worker_commands import WorkerCommands
    from phsearch.domain.ports import Store
    from phsearch.domain.problems import Problems
    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.paths import StateFolder
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.service.workers.command import WorkerCommand
    from phsearch.service.workers.image_worker import ImageWorker
    from phsearch.service.workers.model_state import ModelState


def live_settings(
    *,
    config: Config,
    removed: RemovedRoots,
    image_worker: ImageWorker,
    text_worker: TextWorker,
    throttle: IndexingThrottle,
    command: Callable[[Config], WorkerCommand],
    on_demand: Mapping[str, OnDemandWorker],
    on_demand_commands: Callable[[Config], Mapping[str, WorkerCommand]],
) -> dict[str, Callable[[Any], None]]:
    """Return what applies each section of the settings that can change at run time. Any other needs a restart."""
    now = config

    def reconfigure_workers(**sections: Any) -> None:
        nonlocal now
        now = dataclasses.replace(now, **sections)
        image_worker.reconfigure(command(now), now.index.keep_alive_seconds, index_worker_limits(now.index))
        for name, on_demand_command in on_demand_commands(now).items():
            on_demand[name].reconfigure(on_demand_command, on_demand_limits(now.index))

    def watch(section: WatchConfig) -> None:
        # Which files a worker may read is decided when it starts.
        if section.follow_symlinks != now.watch.follow_symlinks:
            reconfigure_workers(watch=section)
        removed.reconfigure(section)

    return {
        "watch": watch,
        "index": lambda section: reconfigure_workers(index=section),
        "query": lambda section: text_worker.reconfigure(section.keep_alive_seconds),
        "courtesy": throttle.reconfigure,
        "log": lambda section: logs.set_level(section.level),
    }


_OWN_DISK_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """The parts that answer."""

    text_worker: TextWorker
    status: StatusReporter
    reload: ConfigReloader
    server: Server
    albums: Albums
    on_demand: Mapping[str, OnDemandWorker]


def build_api(
    *,
    parts: IndexParts,
    settings: Settings,
    read_settings: Callable[[], Settings],
    env: Mapping[str, str],
    store: Store,
    commands: WorkerCommands,
    notifier: SystemdNotifier,
) -> ApiParts:
    """Return the parts, put together. Nothing runs yet."""
    manager, throttle, monitors = parts.manager, parts.throttle, parts.manager.monitors
    text_worker = TextWorker(
        command=commands.text_worker(settings.config),
        model=parts.model,
        keep_alive=settings.config.query.keep_alive_seconds,
    )
    on_demand = _on_demand_workers(settings.config, commands)
    image_embedder = ImageQueryEmbedder(
        worker=on_demand["like"],
        bound=lambda: parts.model.bound,
        in_library=lambda path: parts.roots.root_of(path) is not None,
        is_picture=lambda data: file_type.detect(data) is not None,
    )
    query_durations = Histogram(QUERY_SECONDS)
    searcher = _searcher(
        parts=parts,
        text_worker=text_worker,
        image_embedder=image_embedder,
        record_duration=query_durations.observe,
        home=str(paths.expand("~", env)),
        state=settings.paths.state,
    )
    reload = ConfigReloader(
        read=read_settings,
        settings=settings,
        roots=parts.roots,
        manager=manager,
        removed=parts.removed,
        library=parts.library,
        live=live_settings(
            config=settings.config,
            removed=parts.removed,
            image_worker=parts.image_worker,
            text_worker=text_worker,
            throttle=throttle,
            command=parts.worker_command,
            on_demand=on_demand,
            on_demand_commands=commands.on_demand_workers,
        ),
        on_begin=notifier.notify_reloading,
        on_end=notifier.notify_ready,
    )
    throughput = ThroughputMonitor(
        router=parts.router,
        image_worker=parts.image_worker,
        writer=parts.writer,
        capacity=lambda: _capacity(reload.config.index, parts.model, len(parts.roots)),
        throttle_state=lambda: throttle.state,
    )
    status = StatusReporter(
        photo_index=parts.photo_index,
        router=parts.router,
        image_worker=parts.image_worker,
        writer=parts.writer,
        model=parts.model,
        monitors=monitors,
        removed=parts.removed,
        throttle=throttle,
        throughput=throughput,
    )
    explainer = PathExplainer(
        roots=parts.roots,
        rules=lambda: manager.rules,
        library=parts.library,
        router=parts.router,
        monitors=monitors,
        searcher=searcher,
        model=parts.model,
        stat_path=stat_path,
        throttle=throttle,
        follow=lambda: manager.watch.follow_symlinks,
    )
    thumbnails = Thumbnails(
        worker=on_demand["picture"], library=parts.library, follow=lambda: manager.watch.follow_symlinks
    )
    albums = Albums(storage=AlbumLinks(settings.paths.state, parts.problems), searcher=searcher, events=parts.events)
    components = Components(
        photo_index=parts.photo_index,
        router=parts.router,
        image_worker=parts.image_worker,
        text_worker=text_worker,
        writer=parts.writer,
        model=parts.model,
        monitors=monitors,
        searcher=searcher,
        throughput=throughput,
        query_durations=query_durations,
        store_stats=StoreStats(store, parts.executors.store),
        on_demand=on_demand,
    )
    groups = (
        AlbumMethods(albums).handlers,
        DuplicateMethods(
            DuplicateFinder(
                library=parts.library,
                index=parts.index,
                rank_executor=parts.executors.rank,
                calibration=searcher.calibration,
            ),
            parts.roots,
        ).handlers,
        ThumbnailMethods(thumbnails).handlers,
        SearchMethods(
            searcher=searcher,
            router=parts.router,
            library=parts.library,
            monitors=monitors,
            explainer=explainer,
            sync_barrier=parts.sync_barrier,
            throttle=throttle,
        ).handlers,
        LibraryMethods(
            library=parts.library,
            roots=parts.roots,
            monitors=monitors,
            router=parts.router,
            verifier=_verifier(parts, store),
            throttle=throttle,
        ).handlers,
        ConfigMethods(reloader=reload, removed=parts.removed, roots=parts.roots).handlers,
        DaemonMethods(status, throttle).handlers,
        *_health_methods(
            components=components,
            status=status,
            state=settings.paths.state,
            connections=lambda: server.connections,
            problems=parts.problems,
            rules=lambda: manager.rules,
        ),
    )
    server: Server = Server(
        dispatcher=Dispatcher(groups, parts.roots.library_name),
        events=parts.events,
        descriptors=process_limits.raise_open_files_limit(),
    )
    return ApiParts(
        text_worker=text_worker, status=status, reload=reload, server=server, albums=albums, on_demand=on_demand
    )


def _on_demand_workers(config: Config, commands: WorkerCommands) -> dict[str, OnDemandWorker]:
    limits = worker_commands.on_demand_limits(config.index)
    return {
        name: OnDemandWorker(command=command, limits=limits)
        for name, command in commands.on_demand_workers(config).items()
    }


def _searcher(
    *,
    parts: IndexParts,
    text_worker: TextWorker,
    image_embedder: ImageQueryEmbedder,
    record_duration: Callable[[float], None],
    home: str,
    state: StateFolder,
) -> Searcher:
    model = parts.model
    calibration = CalibrationCache(model, lambda identity: calibration_file.find(identity, state))
    query_embedder = QueryEmbedder(
        text_vectors=TextVectorCache(text_worker),
        image_embedder=image_embedder,
        model=model,
        library=parts.library,
        index=parts.index,
        home=home,
        library_name=parts.roots.library_name,
    )
    return Searcher(
        query_embedder=query_embedder,
        filter_compiler=FilterCompiler(parts.roots, home),
        library=parts.library,
        index=parts.index,
        rank_executor=parts.executors.rank,
        roots=parts.roots,
        calibration=calibration,
        model=model,
        record_duration=record_duration,
    )


def _verifier(parts: IndexParts, store: Store) -> Verifier:
    library, index, executors, monitors = parts.library, parts.index, parts.executors, parts.manager.monitors
    return Verifier(
        library=library,
        model=parts.model,
        row_check=RowCheck(
            store=store,
            store_executor=executors.store,
            writer=parts.writer,
            library=library,
            index=index,
            rank_executor=executors.rank,
            roots=parts.roots,
            verify_executor=executors.verify,
        ),
        file_check=FileCheck(library=library, router=parts.router, roots=parts.roots, monitors=monitors),
        sample_check=SampleCheck(
            router=parts.router,
            library=library,
            index=index,
            rank_executor=executors.rank,
            image_worker=parts.image_worker,
            model=parts.model,
            throttle=parts.throttle,
        ),
    )


def _health_methods(
    *,
    components: Components,
    status: StatusReporter,
    state: StateFolder,
    connections: Callable[[], int],
    problems: Problems,
    rules: Callable[[], IgnoreRules],
) -> list[Handlers]:
    """Return the methods by which the daemon is diagnosed and monitored."""
    doctor = DoctorMethods(
        state=state,
        components=components,
        status=status,
        state_executor=TimeoutExecutor("disk of the state", _OWN_DISK_SECONDS),
        probes=SystemProbes(
            inotify=processes.inotify_use,
            space=lambda path: Space.of(path, os.statvfs(path)),
            resident=processes.resident_bytes,
            machine=processes.total_bytes,
        ),
        calibration_path=str(calibration_file.places(*components.model.named, state)[0]),
        problems=problems,
        rules=rules,
    )
    metrics = MetricsMethods(
        components=components,
        resident=processes.resident_bytes,
        open_files=processes.open_file_count,
        connections=connections,
    )
    return [doctor.handlers, metrics.handlers]


def _capacity(index: IndexConfig, model: ModelState, roots: int) -> Capacity:
    processors = os.cpu_count() or 1
    device = model.image_worker_info.device if model.image_worker_info else "cpu"
    return Capacity(
        processors=processors,
        readers=2 * roots,
        decode_threads=index.decode_threads or processors,
        device=device,
        smallest=model.name in BUNDLED,
    )
