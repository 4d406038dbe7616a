"""What answers: search, status and everything else that can be asked on the socket."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phsearch import logs, paths
from phsearch.adapters.files.scanner import sight
from phsearch.adapters.linux import process_limits, processes
from phsearch.adapters.state import calibration_file
from phsearch.adapters.state.album_links import AlbumFiles
from phsearch.daemon import worker_commands as workers
from phsearch.daemon.worker_commands import index_worker_limits, onlooker_limits
from phsearch.domain.doctor.file_checks import Space
from phsearch.domain.search.filters import Masks
from phsearch.domain.throughput import Machine
from phsearch.service.config_reload import Reload
from phsearch.service.health.components import Parts
from phsearch.service.health.status import Status
from phsearch.service.health.throughput import Load
from phsearch.service.indexing.store_writer import Figures
from phsearch.service.rpc.dispatcher import Api
from phsearch.service.rpc.mcp_tools import Assistant
from phsearch.service.rpc.methods import (
    About,
    Configuring,
    Diagnosis,
    Finding,
    Keeping,
    Looks,
    Metering,
    Picturing,
    Reviewing,
    Upkeep,
)
from phsearch.service.rpc.server import Server
from phsearch.service.search.albums import Albums
from phsearch.service.search.duplicates import Dupes
from phsearch.service.search.explain import Why
from phsearch.service.search.image_query import Glance
from phsearch.service.search.query_embedder import Aimer, Phrases
from phsearch.service.search.searcher import Calibrated, Searcher
from phsearch.service.search.thumbnails import Thumbnails
from phsearch.service.threads import RootDisk
from phsearch.service.verify import FileCheck, RowCheck, SampleCheck, Verifier
from phsearch.service.workers.on_demand import Summoned
from phsearch.service.workers.text_worker import TextTowerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from phsearch.adapters.linux.systemd import Notifier
    from phsearch.config import Config, IndexConfig, Settings, WatchConfig
    from phsearch.daemon.compose_index import Indexing
    from phsearch.domain.ports import Store
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.rpc.dispatcher import Calls
    from phsearch.service.throttle import Governor
    from phsearch.service.workers.image_worker import Embedder
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.process import WorkerCommand

# Which settings can change while the daemon runs, and who takes them.


def live(
    config: Config,
    removed: RemovedRoots,
    embedder: Embedder,
    governor: Governor,
    command: Callable[[Config], WorkerCommand],
    summoned: Mapping[str, Summoned],
    onlookers: Callable[[Config], Mapping[str, WorkerCommand]],
) -> dict[str, Callable[[Any], None]]:
    """Give what takes each section of the settings at run time; who changes any other is told to start it anew."""
    now = config

    def hire(**sections: Any) -> None:
        nonlocal now
        now = dataclasses.replace(now, **sections)
        embedder.take(command(now), now.index.keep_alive_seconds, index_worker_limits(now.index))
        for name, their in onlookers(now).items():
            summoned[name].take(their, onlooker_limits(now.index))

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


_OWN_DISK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Answering:
    """The parts that answer."""

    text_tower: TextTowerProcess
    status: Status
    reload: Reload
    server: Server
    albums: Albums
    summoned: Mapping[str, Summoned]


def answering(
    parts: Indexing,
    settings: Settings,
    read: Callable[[], Settings],
    env: Mapping[str, str],
    store: Store,
    program: tuple[str, ...],
    notifier: Notifier,
) -> Answering:
    """Put them together; `read` reads the settings again. Nothing runs yet."""
    household, governor, keepers = parts.household, parts.governor, parts.household.keepers
    text_tower = TextTowerProcess(workers.query_worker(settings.config, env, program), parts.model)
    summoned = _summoned(settings.config, env, program)
    glance = Glance(summoned["like"], lambda: parts.model.bound)
    searcher = _searcher(parts, text_tower, glance, str(paths.expand("~", env)), settings.places.state)
    reload = Reload(
        read,
        settings,
        parts.roots,
        household,
        parts.removed,
        parts.library,
        live(
            settings.config,
            parts.removed,
            parts.embedder,
            governor,
            parts.command,
            summoned,
            lambda config: workers.onlookers(config, env, program),
        ),
        notifier.reloading,
        notifier.ready,
    )
    load = Load(
        parts.pipelines,
        parts.embedder,
        parts.writer,
        lambda: _machine(reload.config.index, parts.model, len(parts.roots)),
        lambda: governor.pace,
    )
    status = Status(
        parts.catalog,
        parts.pipelines,
        parts.embedder,
        parts.writer,
        parts.model,
        keepers,
        parts.removed,
        governor,
        load,
    )
    why = Why(
        parts.roots,
        lambda: household.rules,
        parts.library,
        parts.pipelines,
        keepers,
        searcher,
        parts.model,
        sight,
        governor,
        follow=lambda: household.watch.follow_symlinks,
    )
    thumbnails = Thumbnails(summoned["picture"], parts.library, lambda: household.watch.follow_symlinks)
    albums = Albums(AlbumFiles(settings.places.state), searcher, parts.events)
    groups = (
        Keeping(albums).calls,
        Reviewing(Dupes(parts.library, parts.index, parts.lanes.rank, searcher.calibration), parts.roots).calls,
        Picturing(thumbnails).calls,
        Finding(searcher, status, parts.library, keepers, why, parts.barrier, governor).calls,
        Upkeep(parts.library, parts.roots, keepers, parts.pipelines, _verifier(parts, store), governor).calls,
        Configuring(reload, parts.removed, parts.roots).calls,
        About(status, governor).calls,
        *_looking(
            parts,
            settings.places.state,
            store,
            status,
            searcher,
            text_tower,
            load,
            summoned,
            lambda: server.connections,
        ),
    )
    server: Server = Server(Assistant(Api(groups)), parts.events, process_limits.raise_limit())
    return Answering(text_tower, status, reload, server, albums, summoned)


def _summoned(config: Config, env: Mapping[str, str], program: tuple[str, ...]) -> dict[str, Summoned]:
    limits = workers.onlooker_limits(config.index)
    return {name: Summoned(command, limits) for name, command in workers.onlookers(config, env, program).items()}


def _searcher(parts: Indexing, text_tower: TextTowerProcess, glance: Glance, home: str, state: Path) -> Searcher:
    model = parts.model
    calibrated = Calibrated(lambda: model.bound, lambda identity: calibration_file.find(identity, state))
    aimer = Aimer(Phrases(text_tower), model, parts.index, parts.lanes.rank, glance, calibrated, home)
    return Searcher(
        aimer,
        parts.library,
        parts.index,
        parts.lanes.rank,
        parts.roots,
        Masks(parts.roots.of, home),
        calibrated,
        lambda: model.logit_scale,
    )


def _verifier(parts: Indexing, store: Store) -> Verifier:
    library, index, lanes, keepers = parts.library, parts.index, parts.lanes, parts.household.keepers
    return Verifier(
        library,
        parts.model,
        RowCheck(store, lanes.store, parts.writer, library, index, lanes.rank, parts.roots, lanes.verify),
        FileCheck(library, parts.pipelines, parts.roots, keepers),
        SampleCheck(parts.pipelines, library, index, lanes.rank, parts.embedder, parts.model, parts.governor),
    )


def _looking(
    parts: Indexing,
    state: Path,
    store: Store,
    status: Status,
    searcher: Searcher,
    text_tower: TextTowerProcess,
    load: Load,
    summoned: Mapping[str, Summoned],
    connections: Callable[[], int],
) -> list[Calls]:
    """Give the methods by which the daemon is looked at from outside."""
    seen = Parts(
        parts.catalog,
        parts.pipelines,
        parts.embedder,
        text_tower,
        parts.writer,
        parts.model,
        parts.household.keepers,
        searcher,
        load,
        Figures(store, parts.lanes.store),
        summoned,
    )
    looks = Looks(
        processes.inotify, lambda path: Space.of(path, os.statvfs(path)), processes.resident, processes.machine
    )
    disk = RootDisk("disk of the state", _OWN_DISK_SECONDS)
    metering = Metering(seen, processes.resident, processes.open_files, connections)
    place = str(calibration_file.places(*parts.model.named, state)[0])
    return [Diagnosis(state, seen, status, disk, looks, place).calls, metering.calls]


def _machine(index: IndexConfig, model: ModelState, roots: int) -> Machine:
    processors = os.cpu_count() or 1
    device = model.photos_by.device if model.photos_by else "cpu"
    return Machine(processors, 2 * roots, index.decode_threads or processors, device)
