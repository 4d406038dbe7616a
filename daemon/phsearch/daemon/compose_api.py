"""What answers: search, status and everything else that can be asked on the socket."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch import paths
from phsearch.adapters.files.path_status import stat_path
from phsearch.adapters.linux import process_limits, processes
from phsearch.adapters.linux.accelerators import has_matrix_unit
from phsearch.adapters.state.album_links import AlbumLinks
from phsearch.daemon import worker_commands
from phsearch.daemon.compose_search import SearcherFactory
from phsearch.daemon.compose_switch import SwitchBuilder
from phsearch.daemon.live_workers import LiveWorkers, live_settings
from phsearch.domain.doctor.file_checks import Space
from phsearch.domain.histogram import Histogram
from phsearch.domain.throughput import Capacity
from phsearch.model_files import BUNDLED, local_folder
from phsearch.service.config_reload import ConfigReloader
from phsearch.service.health.components import Components
from phsearch.service.health.status import StatusReporter
from phsearch.service.health.throughput import ThroughputMonitor
from phsearch.service.indexing.store_writer import StoreStats
from phsearch.service.model_switch.speed import SpeedMeasurement
from phsearch.service.rpc.dispatcher import Dispatcher
from phsearch.service.rpc.methods import (
    AlbumMethods,
    ConfigMethods,
    DaemonMethods,
    DoctorMethods,
    DuplicateMethods,
    LibraryMethods,
    MetricsMethods,
    ModelMethods,
    SearchMethods,
    SystemProbes,
    ThumbnailMethods,
)
from phsearch.service.rpc.methods.metrics import QUERY_SECONDS
from phsearch.service.rpc.server import Server
from phsearch.service.search.albums import Albums
from phsearch.service.search.duplicates import DuplicateFinder
from phsearch.service.search.explain import PathExplainer
from phsearch.service.search.thumbnails import Thumbnails
from phsearch.service.threads import TimeoutExecutor
from phsearch.service.verify import FileCheck, RowCheck, SampleCheck, Verifier
from phsearch.service.workers.on_demand import OnDemandWorker
from phsearch.service.workers.text_worker import TextWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from phsearch.adapters.linux.systemd import SystemdNotifier
    from phsearch.adapters.state.model_choice_file import ModelChoiceFile
    from phsearch.config import Config, IndexConfig, Settings
    from phsearch.daemon.compose_index import IndexParts
    from phsearch.daemon.worker_commands import CommandFactory, WorkerCommands
    from phsearch.domain.model.choice import ModelSelection
    from phsearch.domain.ports import Store
    from phsearch.domain.problems import Problems
    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.paths import StateFolder
    from phsearch.service.model_switch.switcher import ModelSwitch
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.workers.model_state import ModelState


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
    switch: ModelSwitch


def build_api(
    *,
    parts: IndexParts,
    settings: Settings,
    read_settings: Callable[[], Settings],
    env: Mapping[str, str],
    store: Store,
    config: Config,
    selection: ModelSelection,
    choice_file: ModelChoiceFile,
    factory: CommandFactory,
    commands: WorkerCommands,
    notifier: SystemdNotifier,
) -> ApiParts:
    """Return the parts, put together. Nothing runs yet.

    `config` are the settings with the model that answers, and `commands` those of its workers.
    """
    manager, throttle, monitors = parts.manager, parts.throttle, parts.manager.monitors
    text_worker = TextWorker(
        command=commands.text_worker(config), model=parts.model, keep_alive=config.query.keep_alive_seconds
    )
    on_demand = _on_demand_workers(config, commands)

    query_durations = Histogram(QUERY_SECONDS)
    searchers = SearcherFactory(
        library=parts.library, roots=parts.roots, state=settings.paths.state, home=str(paths.expand("~", env))
    )
    search_parts = searchers.new_searcher(
        model=parts.model,
        text_worker=text_worker,
        like_worker=on_demand["like"],
        index=parts.index,
        executor=parts.executors.rank,
        record_duration=query_durations.observe,
    )
    searcher = search_parts.searcher
    workers = LiveWorkers(
        config=config,
        commands=commands,
        online_roots=monitors.online_roots,
        image_worker=parts.image_worker,
        text_worker=text_worker,
        on_demand=on_demand,
    )
    switch = SwitchBuilder(
        parts=parts,
        store=store,
        settings=settings,
        factory=factory,
        workers=workers,
        searcher=searcher,
        searchers=searchers,
    ).build(selection, choice_file)
    reload = ConfigReloader(
        read=read_settings,
        settings=settings,
        roots=parts.roots,
        manager=manager,
        removed=parts.removed,
        library=parts.library,
        live=live_settings(workers=workers, removed=parts.removed, throttle=throttle),
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
        switch=switch,
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
            switch=switch,
        ).handlers,
        ModelMethods(
            switch=switch,
            library=parts.library,
            speed=SpeedMeasurement(
                library=parts.library, image_worker=parts.image_worker, epoch=lambda: parts.model.epoch
            ),
            has_matrix_unit=lambda: _device(parts.model) != "cpu" or has_matrix_unit(),
            calibrating=search_parts.calibrating,
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
            downloads=lambda: _existing(paths.model_cache(env)) if _is_downloaded(switch) else None,
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
        text_worker=text_worker,
        status=status,
        reload=reload,
        server=server,
        albums=albums,
        on_demand=on_demand,
        switch=switch,
    )


def _on_demand_workers(config: Config, commands: WorkerCommands) -> dict[str, OnDemandWorker]:
    limits = worker_commands.on_demand_limits(config.index)
    return {
        name: OnDemandWorker(command=command, limits=limits)
        for name, command in commands.on_demand_workers(config).items()
    }


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
    downloads: Callable[[], str | None],
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
        downloads=downloads,
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


def _device(model: ModelState) -> str:
    return model.image_worker_info.device if model.image_worker_info else "cpu"


def _is_downloaded(switch: ModelSwitch) -> bool:
    """Whether the model that answers or the one that is wanted comes from the hub."""
    models = (switch.active.name, switch.target.name)
    return any(name not in BUNDLED and local_folder(name) is None for name in models)


def _existing(folder: Path) -> str:
    """Return the folder, or the one around it that exists: on that disk it will be."""
    return str(next(each for each in (folder, *folder.parents) if each.exists()))


def _capacity(index: IndexConfig, model: ModelState, roots: int) -> Capacity:
    processors = os.cpu_count() or 1
    return Capacity(
        processors=processors,
        readers=2 * roots,
        decode_threads=index.decode_threads or processors,
        device=_device(model),
        smallest=model.name in BUNDLED,
    )
