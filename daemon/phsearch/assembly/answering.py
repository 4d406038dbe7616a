"""What answers: search, status and everything else that can be asked on the socket."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch import paths
from phsearch.adapters import calibration_file, descriptors, memory, processes
from phsearch.adapters.album_files import AlbumFiles
from phsearch.adapters.fs_sight import sight
from phsearch.assembly import workers
from phsearch.assembly.live import live
from phsearch.domain.bottleneck import Machine
from phsearch.domain.doctor.places import Space
from phsearch.domain.masks import Masks
from phsearch.service.aimer import Aimer
from phsearch.service.albums import Albums
from phsearch.service.api import Api
from phsearch.service.assistant import Assistant
from phsearch.service.calibrated import Calibrated
from phsearch.service.disk import RootDisk
from phsearch.service.dupes import Dupes
from phsearch.service.figures import Figures
from phsearch.service.glance import Glance
from phsearch.service.load import Load
from phsearch.service.methods import (
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
from phsearch.service.parts import Parts
from phsearch.service.phrases import Phrases
from phsearch.service.reload import Reload
from phsearch.service.searcher import Searcher
from phsearch.service.server import Server
from phsearch.service.status import Status
from phsearch.service.summoned import Summoned
from phsearch.service.text_tower import TextTowerProcess
from phsearch.service.thumbnails import Thumbnails
from phsearch.service.verify import FileCheck, RowCheck, SampleCheck, Verifier
from phsearch.service.why import Why

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from phsearch.adapters.systemd import Notifier
    from phsearch.assembly.indexing import Indexing
    from phsearch.config import Config, IndexConfig
    from phsearch.domain.ports import Store
    from phsearch.service.api import Calls
    from phsearch.service.model import ModelState
    from phsearch.settings import Settings

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
    server: Server = Server(Assistant(Api(groups)), parts.events, descriptors.raise_limit())
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
    looks = Looks(processes.inotify, lambda path: Space.of(path, os.statvfs(path)), processes.resident, memory.machine)
    disk = RootDisk("disk of the state", _OWN_DISK_SECONDS)
    metering = Metering(seen, processes.resident, processes.open_files, connections)
    place = str(calibration_file.places(*parts.model.named, state)[0])
    return [Diagnosis(state, seen, status, disk, looks, place).calls, metering.calls]


def _machine(index: IndexConfig, model: ModelState, roots: int) -> Machine:
    processors = os.cpu_count() or 1
    device = model.photos_by.device if model.photos_by else "cpu"
    return Machine(processors, 2 * roots, index.decode_threads or processors, device)
