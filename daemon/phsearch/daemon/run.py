"""Runs the daemon from its start to its end.

Start: store, socket, watcher, ready, workers, scans. Stop: socket, watcher, what is under way, store. Its parts are
built in `compose_index` and `compose_api`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch import __version__
from phsearch.adapters.linux.folder_changes import FolderChanges
from phsearch.adapters.linux.processes import malloc_trim
from phsearch.adapters.linux.systemd import SystemdNotifier
from phsearch.adapters.state.model_choice_file import ModelChoiceFile
from phsearch.daemon import worker_commands
from phsearch.daemon.compose_api import build_api
from phsearch.daemon.compose_index import build_index
from phsearch.daemon.model_selection import select_model
from phsearch.daemon.worker_commands import CommandFactory
from phsearch.domain.problems import Problems
from phsearch.errors import PhsearchError, StoreError
from phsearch.model_files import bundled_identity
from phsearch.service.health.garbage import GarbageFreezer
from phsearch.service.liveness import Heartbeat
from phsearch.service.rpc.listener import NamedSocket
from phsearch.service.rpc.socket_guard import SocketGuard

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from phsearch.config import Settings
    from phsearch.daemon.hangup import HangupSignal
    from phsearch.domain.model.choice import ModelSelection
    from phsearch.domain.ports import Store
    from phsearch.service.health.status import StatusReporter
    from phsearch.service.indexing.store_writer import StoreWriter

log = logging.getLogger("phsearch")

_M_ARENA_MAX = -8
_SWITCH_SECONDS = 0.001
"""How long a thread may run while another waits, the event loop for instance; Python's default is five times that."""
_STOP_SECONDS = 10.0
_CHECKS_A_SECOND = 10
"""A large folder is renamed in some seconds, and what changed in one of them would take too long at once."""


def run(
    *,
    settings: Settings,
    read_settings: Callable[[], Settings],
    env: Mapping[str, str],
    inherited: socket.socket | None,
    worker: tuple[str, ...] | None = None,
    has_model: bool = True,
    announce: Callable[[str], None] = lambda _socket: None,
    hangup: HangupSignal,
) -> int:
    """Run until SIGTERM or SIGINT; return the exit status. Raises PhsearchError when it cannot start.

    `read_settings` reads them again. `inherited` is the listening socket where systemd holds one for us. `worker` is
    the program of a worker process where it is not the usual one; `has_model` is whether it runs the model. `announce`
    is told where the daemon listens.
    """
    config, paths = settings.config, settings.paths
    os.umask(0o077)
    _limit_malloc_arenas()
    sys.setswitchinterval(_SWITCH_SECONDS)
    os.environ.setdefault("LANCEDB_LOG", "error")
    from phsearch.adapters.store.lance import LanceStore  # noqa: PLC0415 - reads the environment when it is imported

    problems = Problems()
    choice_file = ModelChoiceFile(paths.state.model_choice_file, problems)
    selection = select_model(settings, choice_file.load())
    active = selection.active
    store = LanceStore(
        folder=paths.state.index,
        name=active.name,
        pretrained=active.pretrained,
        expected=bundled_identity(active.name) if has_model else None,
    )
    factory = CommandFactory(
        env=worker_commands.worker_env(env, paths.state.torch_cache),
        program=worker or worker_commands.PROGRAM,
        models=paths.state.models,
        has_model=has_model,
    )
    unused = settings.written.model
    if unused.pretrained and unused.name == config.model.name and not config.model.pretrained:
        log.warning("model.pretrained = %s is not used: %s has weights of its own", unused.pretrained, unused.name)
    try:
        bound = NamedSocket.bind(paths.socket) if inherited is None else _inherited(inherited)
    except PhsearchError:
        store.close()
        raise
    try:
        asyncio.run(
            _serve(
                settings=settings,
                read_settings=read_settings,
                env=env,
                store=store,
                selection=selection,
                choice_file=choice_file,
                problems=problems,
                bound=bound,
                announce=announce,
                factory=factory,
                hangup=hangup,
            )
        )
    finally:
        bound.close()
        store.close()
    return 0


def _inherited(listener: socket.socket) -> NamedSocket:
    return NamedSocket(listener, Path(os.fsdecode(listener.getsockname())), ours=False)


async def _serve(
    *,
    settings: Settings,
    read_settings: Callable[[], Settings],
    env: Mapping[str, str],
    store: Store,
    selection: ModelSelection,
    choice_file: ModelChoiceFile,
    problems: Problems,
    bound: NamedSocket,
    announce: Callable[[str], None],
    factory: CommandFactory,
    hangup: HangupSignal,
) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    notifier = SystemdNotifier(env)
    model = replace(settings.config.model, name=selection.active.name, pretrained=selection.active.pretrained)
    config, commands = replace(settings.config, model=model), factory.commands(model)
    with _objects_stay():
        parts = build_index(config=config, paths=settings.paths, store=store, commands=commands, problems=problems)
    front = build_api(
        parts=parts,
        settings=settings,
        read_settings=read_settings,
        env=commands.env,
        store=store,
        config=config,
        selection=selection,
        choice_file=choice_file,
        factory=factory,
        commands=commands,
        notifier=notifier,
    )
    hangup.connect(loop, stop=stopping.set, reload=front.reload.request_reload)
    executors = parts.executors
    monitored = (executors.store, executors.rank, executors.verify, front.text_worker, parts.image_worker)
    heartbeat = Heartbeat(beat=notifier.watchdog_ping, interval=notifier.watchdog_seconds, monitored=monitored)

    await front.server.start(bound.listener)
    guard = SocketGuard(
        usual=bound.path,
        fallback=settings.paths.state.runtime / bound.path.name,
        bound=bound,
        server=front.server,
        watch=FolderChanges,
        announce=announce,
    )
    parts.watcher.start(parts.dispatcher.dispatch_threadsafe)
    await asyncio.to_thread(notifier.notify_ready)  # it waits for systemd, if that is busy
    beating = asyncio.create_task(heartbeat.run())  # until the very end, because stopping may hang, too
    photos = f"{len(parts.library):,} photos indexed"
    log.info("phsearch %s: %s, listening on %s", __version__, photos, bound.path)
    # The daemon can do without these: one that fails ends alone.
    side_tasks = {
        "albums": asyncio.create_task(front.albums.run()),
        "socket": asyncio.create_task(guard.run()),
        "status for systemd": asyncio.create_task(
            _status_loop(notifier, front.status, GarbageFreezer(front.status.changes), parts.activity)
        ),
    }
    for part, task in side_tasks.items():
        parts.problems.watch_task(part, task)
    try:
        async with asyncio.TaskGroup() as group:
            running = (
                front.text_worker,
                parts.image_worker,
                parts.manager,
                parts.writer,
                parts.photo_index,
                parts.removed,
                front.reload,
                front.switch,
            )
            tasks = [group.create_task(part.run()) for part in running]
            tasks.append(group.create_task(parts.throttle.run(parts.workload)))
            await stopping.wait()
            log.info("stopping")
            notifier.notify_stopping()
            await front.server.stop()
            await asyncio.to_thread(parts.watcher.close)
            for task in (*tasks, *side_tasks.values()):
                task.cancel()
            for each in front.on_demand.values():
                await each.stop_now()
    finally:
        for task in side_tasks.values():
            task.cancel()
        await asyncio.gather(*side_tasks.values(), return_exceptions=True)
        guard.bound.close()
        parts.manager.close()
        await _final_flush(parts.writer)
        beating.cancel()
        executors.close()


def _limit_malloc_arenas() -> None:
    """Make libraries that are imported later keep less memory that they do not need any more."""
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    # Arrow's own allocator grows all the time: by 100 MB and more in 1,000 batches. That of the C library grows by
    # 30 MB, and then no more.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


@contextlib.contextmanager
def _objects_stay() -> Iterator[None]:
    """Surround the creation of objects that stay: garbage is not searched for among them, now and later.

    Otherwise that takes a third of the time to load a library, and a moment of the event loop again and again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        malloc_trim()


async def _final_flush(writer: StoreWriter) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await writer.flush()
    except (StoreError, TimeoutError) as error:
        log.warning("the last changes were not written and will be found again at the next start: %s", error)


async def _status_loop(
    notifier: SystemdNotifier, status: StatusReporter, garbage: GarbageFreezer, activity: asyncio.Event
) -> None:
    """Measure the rate and report it to systemd, once a second while there is work; an idle daemon never wakes."""
    before = ""
    while True:
        activity.clear()
        status.sample()
        garbage.check()
        line = status.summary()
        if line != before:
            notifier.notify_status(line)
            before = line
        if not status.working:
            await activity.wait()
            continue
        for _ in range(_CHECKS_A_SECOND):
            await asyncio.sleep(1 / _CHECKS_A_SECOND)
            garbage.check()
