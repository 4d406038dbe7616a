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
from phsearch.domain.doctor import daemon_checks as inside
from phsearch.domain.doctor import file_checks as places
from phsearch.domain.doctor import fine, wrong
from phsearch.domain.types import Why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from phsearch.domain.doctor import Check
    from phsearch.service.health.components import Parts
    from phsearch.service.health.status import Status
    from phsearch.service.rpc.dispatcher import Calls
    from phsearch.service.threads import RootDisk


@dataclasses.dataclass(frozen=True, slots=True)
class Looks:
    """How to look at the machine; `inotify` and `space` take their time, and are asked in a thread."""

    inotify: Callable[[], inside.Inotify]
    space: Callable[[str], places.Space]
    resident: Callable[[int], int | None]
    machine: Callable[[], int]


class Diagnosis:
    """`doctor`."""

    def __init__(
        self,
        state: Path,
        parts: Parts,
        status: Status,
        disk: RootDisk,
        looks: Looks,
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
    def calls(self) -> Calls:
        """The methods by name."""
        return {"doctor": self._doctor}

    async def _doctor(self, _params: dict[str, Any]) -> dict[str, Any]:
        report = self._status.report()
        checks = [
            *await self._inotify(),
            *map(inside.root, self._roots()),
            *self._understanding(report),
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
        unwatched = sum(keeper.folders[1] for keeper in self._parts.keepers.values())
        overflows = sum(keeper.overflows for keeper in self._parts.keepers.values())
        use = await asyncio.to_thread(self._looks.inotify)
        queue = inside.queue(use, overflows)
        return [inside.watches(use, unwatched), inside.instances(use), *([queue] if queue else [])]

    def _roots(self) -> Iterator[inside.Root]:
        for keeper in self._parts.keepers.values():
            photos = self._parts.catalog.library.count(keeper.root)
            watched, unwatched = keeper.folders
            known = (keeper.root, keeper.state, photos, keeper.missing, watched, unwatched)
            yield inside.Root(*known, keeper.detail, keeper.hint, keeper.remote)

    def _understanding(self, report: dict[str, Any]) -> Iterable[Check]:
        by = self._parts.model.photos_by
        yield inside.model(report["model"], *self._parts.model.weights)
        if self._parts.model.bound is not None:
            fitted = self._parts.searcher.calibration().fitted
            yield inside.relevance(self._parts.model.label, self._place, fitted=fitted)
        yield from inside.device(by.device if by else None, by.precision if by else "", by.why if by else Why())

    async def _index(self) -> Iterable[Check]:
        writer = self._parts.writer
        problem = (str(writer.problem), writer.problem.hint) if writer.problem is not None else None
        folder = os.path.join(self._state, "index")  # noqa: PTH118 - for a person
        checks = inside.store(await self._parts.figures.latest(), folder, problem)
        tidied = inside.maintenance(time.time(), writer.written_at, writer.tidied_at, writer.pending)
        return [*checks, tidied, await self._space()]

    async def _space(self) -> Check:
        try:
            found = await self._disk.ask(lambda _tick: self._looks.space(self._state))
        except OSError as error:
            return wrong("disk", f"{self._state}: {error.strerror}", f"findmnt --target {shlex.quote(self._state)}")
        return places.space("disk", found)

    def _workers(self, report: dict[str, Any]) -> Iterator[Check]:
        for name, career in self._parts.careers.items():
            deaths = sum(career.deaths.values())
            running = career.pid is not None
            yield inside.worker(inside.Work(name, running, career.starts, deaths, career.last_death, career.died_at))
        used = [(name, self._looks.resident(pid) or 0) for name, pid in self._parts.processes.items()]
        yield inside.memory(used, self._looks.machine())
        yield inside.errors(report["errors"])
        found = self._parts.load.sample()
        yield fine("bottleneck", f"{found.text}: {found.remedy}" if found.remedy else found.text)
