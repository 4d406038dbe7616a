"""The diagnosis of what only the daemon can see."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import platform
import shlex
import time
from typing import TYPE_CHECKING

from phsearch import __version__
from phsearch.domain.doctor import daemon_checks, file_checks, ok, warn
from phsearch.domain.roots.ignore_rules import IGNORE_REMEDY
from phsearch.domain.types import DeviceChoice
from phsearch.wire.results.daemon import CheckResult, Diagnosis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from phsearch.domain.doctor import Check
    from phsearch.domain.problems import Problem
    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.paths import StateFolder
    from phsearch.service.health.components import Components
    from phsearch.service.health.status import StatusReporter
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.threads import TimeoutExecutor
    from phsearch.wire.results.daemon import Status


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SystemProbes:
    """Functions that look at the machine. `inotify` and `space` may block, and are called in a thread."""

    inotify: Callable[[], daemon_checks.InotifyUse]
    space: Callable[[str], file_checks.Space]
    resident: Callable[[int], int | None]
    machine: Callable[[], int]


class DoctorMethods:
    """`doctor`. The state is in `state`.

    `downloads` returns the folder of downloaded models, None where none is used.
    """

    def __init__(
        self,
        *,
        state: StateFolder,
        components: Components,
        status: StatusReporter,
        state_executor: TimeoutExecutor,
        probes: SystemProbes,
        downloads: Callable[[], str | None],
        problems: Iterable[Problem],
        rules: Callable[[], IgnoreRules],
    ) -> None:
        self._state = str(state.path)
        self._index_folder = str(state.index)
        self._components = components
        self._status = status
        self._state_executor = state_executor
        self._probes = probes
        self._downloads = downloads
        self._problems = problems
        self._rules = rules

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"doctor": self._doctor}

    async def _doctor(self) -> Diagnosis:
        report = self._status.report()
        checks = [
            *await self._inotify(),
            *map(daemon_checks.root, self._roots()),
            *self._model_checks(report),
            *await self._index(),
            *self._workers(report),
            *(warn(each.part, each.text, each.remedy) for each in self._problems),
            *(warn("ignore rules", fault, IGNORE_REMEDY) for fault in self._rules().faults),
        ]
        return Diagnosis(
            version=__version__,
            python=platform.python_version(),
            pid=os.getpid(),
            state=self._state,
            checks=tuple(
                CheckResult(name=check.name, state=check.state, text=check.text, remedy=check.remedy)
                for check in checks
            ),
        )

    async def _inotify(self) -> Iterable[Check]:
        unwatched = sum(monitor.beyond_limit for monitor in self._components.monitors.values())
        overflows = sum(monitor.overflows for monitor in self._components.monitors.values())
        use = await asyncio.to_thread(self._probes.inotify)
        queue = daemon_checks.queue(use, overflows)
        return [daemon_checks.watches(use, unwatched), daemon_checks.instances(use), *([queue] if queue else [])]

    def _roots(self) -> Iterator[daemon_checks.RootReport]:
        for monitor in self._components.monitors.values():
            photos = self._components.photo_index.library.count(monitor.root)
            watched, unwatched = monitor.folders
            yield daemon_checks.RootReport(
                path=monitor.root,
                state=monitor.state,
                photos=photos,
                missing=monitor.missing,
                watched=watched,
                unwatched=unwatched,
                beyond_limit=monitor.beyond_limit,
                detail=monitor.detail,
                hint=monitor.hint,
                remote=monitor.remote,
            )

    def _model_checks(self, report: Status) -> Iterable[Check]:
        info = self._components.model.image_worker_info
        yield daemon_checks.model(report.model, *self._components.model.weights)
        if self._components.model.bound is not None:
            calibration = self._components.searcher.calibration()
            yield daemon_checks.relevance(fitted=calibration.fitted, own_photos=calibration.own_photos)
        yield from daemon_checks.device(
            info.device if info else None,
            info.precision if info else "",
            info.runtime if info else "",
            info.device_choice if info else DeviceChoice(),
        )

    async def _index(self) -> Iterable[Check]:
        writer = self._components.writer
        problem = (str(writer.problem), writer.problem.hint) if writer.problem is not None else None
        folder = self._index_folder
        checks = daemon_checks.store(await self._components.store_stats.latest(), folder, problem)
        maintenance = daemon_checks.maintenance(time.time(), writer.written_at, writer.optimized_at, writer.pending)
        spaces = [await self._space("disk", self._state)]
        if (downloads := self._downloads()) is not None:
            spaces.append(await self._space("disk of downloads", downloads))
        return [*checks, maintenance, *spaces]

    async def _space(self, name: str, path: str) -> Check:
        try:
            found = await self._state_executor.run(lambda _progress: self._probes.space(path))
        except OSError as error:
            return warn(name, f"{path}: {error.strerror}", f"findmnt --target {shlex.quote(path)}")
        return file_checks.space(name, found)

    def _workers(self, report: Status) -> Iterator[Check]:
        for name, stats in self._components.worker_stats.items():
            exits = sum(stats.exits.values())
            worker = daemon_checks.WorkerReport(
                name=name,
                running=stats.pid is not None,
                starts=stats.starts,
                exits=exits,
                last_exit=stats.last_exit,
                died_at=stats.died_at,
            )
            yield daemon_checks.worker(worker)
        used = [(name, self._probes.resident(pid) or 0) for name, pid in self._components.processes.items()]
        yield daemon_checks.memory(used, self._probes.machine())
        yield daemon_checks.errors(report.errors)
        found = self._components.throughput.sample()
        yield ok("bottleneck", f"{found.text}: {found.remedy}" if found.remedy else found.text)
