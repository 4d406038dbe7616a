"""What the daemon finds when it looks at itself."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import platform
import shlex
import time
from typing import TYPE_CHECKING, Any

from phsearch import __version__
from phsearch.domain.doctor import daemon_checks, file_checks, ok, warn
from phsearch.domain.types import DeviceChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from phsearch.domain.doctor import Check
    from phsearch.service.health.components import Components
    from phsearch.service.health.status import StatusReporter
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.threads import TimeoutExecutor


@dataclasses.dataclass(frozen=True, slots=True)
class SystemProbes:
    """How to look at the machine; `inotify` and `space` take their time, and are asked in a thread."""

    inotify: Callable[[], daemon_checks.InotifyUse]
    space: Callable[[str], file_checks.Space]
    resident: Callable[[int], int | None]
    machine: Callable[[], int]


class DoctorMethods:
    """`doctor`."""

    def __init__(
        self,
        state: Path,
        parts: Components,
        status: StatusReporter,
        disk: TimeoutExecutor,
        looks: SystemProbes,
        place: str,
    ) -> None:
        """Look at a daemon whose state is in `state`; `place` is where a calibration of its model goes."""
        self._state = str(state)
        self._parts = parts
        self._status = status
        self._disk = disk
        self._looks = looks
        self._place = place

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"doctor": self._doctor}

    async def _doctor(self, _params: dict[str, Any]) -> dict[str, Any]:
        report = self._status.report()
        checks = [
            *await self._inotify(),
            *map(daemon_checks.root, self._roots()),
            *self._model_checks(report),
            *await self._index(),
            *self._workers(report),
        ]
        return {
            "version": __version__,
            "python": platform.python_version(),
            "pid": os.getpid(),
            "state": self._state,
            "checks": [dataclasses.asdict(check) for check in checks],
        }

    async def _inotify(self) -> Iterable[Check]:
        unwatched = sum(monitor.folders[1] for monitor in self._parts.monitors.values())
        overflows = sum(monitor.overflows for monitor in self._parts.monitors.values())
        use = await asyncio.to_thread(self._looks.inotify)
        queue = daemon_checks.queue(use, overflows)
        return [daemon_checks.watches(use, unwatched), daemon_checks.instances(use), *([queue] if queue else [])]

    def _roots(self) -> Iterator[daemon_checks.RootReport]:
        for monitor in self._parts.monitors.values():
            photos = self._parts.photo_index.library.count(monitor.root)
            watched, unwatched = monitor.folders
            known = (monitor.root, monitor.state, photos, monitor.missing, watched, unwatched)
            yield daemon_checks.RootReport(*known, monitor.detail, monitor.hint, monitor.remote)

    def _model_checks(self, report: dict[str, Any]) -> Iterable[Check]:
        by = self._parts.model.image_worker_info
        yield daemon_checks.model(report["model"], *self._parts.model.weights)
        if self._parts.model.bound is not None:
            fitted = self._parts.searcher.calibration().fitted
            yield daemon_checks.relevance(self._parts.model.label, self._place, fitted=fitted)
        yield from daemon_checks.device(
            by.device if by else None, by.precision if by else "", by.device_choice if by else DeviceChoice()
        )

    async def _index(self) -> Iterable[Check]:
        writer = self._parts.writer
        problem = (str(writer.problem), writer.problem.hint) if writer.problem is not None else None
        folder = os.path.join(self._state, "index")  # noqa: PTH118 - for a person
        checks = daemon_checks.store(await self._parts.store_stats.latest(), folder, problem)
        tidied = daemon_checks.maintenance(time.time(), writer.written_at, writer.optimized_at, writer.pending)
        return [*checks, tidied, await self._space()]

    async def _space(self) -> Check:
        try:
            found = await self._disk.run(lambda _tick: self._looks.space(self._state))
        except OSError as error:
            return warn("disk", f"{self._state}: {error.strerror}", f"findmnt --target {shlex.quote(self._state)}")
        return file_checks.space("disk", found)

    def _workers(self, report: dict[str, Any]) -> Iterator[Check]:
        for name, stats in self._parts.worker_stats.items():
            exits = sum(stats.exits.values())
            running = stats.pid is not None
            yield daemon_checks.worker(
                daemon_checks.WorkerReport(name, running, stats.starts, exits, stats.last_exit, stats.died_at)
            )
        used = [(name, self._looks.resident(pid) or 0) for name, pid in self._parts.processes.items()]
        yield daemon_checks.memory(used, self._looks.machine())
        yield daemon_checks.errors(report["errors"])
        found = self._parts.throughput.sample()
        yield ok("bottleneck", f"{found.text}: {found.remedy}" if found.remedy else found.text)
