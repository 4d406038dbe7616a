"""The status of the daemon: the answer of `status`, and the line that systemd shows."""

from __future__ import annotations

import dataclasses
import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from phsearch import __version__
from phsearch.service.rate_meter import RateMeter
from phsearch.text import escape_control_chars
from phsearch.wire import PROTOCOL
from phsearch.wire.results.daemon import Bottleneck, Counters, LastError, Notice, Rates, RootStatus, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.domain import throughput as domain
    from phsearch.service.health.throughput import ThroughputMonitor
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.indexing.store_writer import StoreWriter
    from phsearch.service.model_switch.switcher import ModelSwitch
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.service.workers.image_worker import ImageWorker
    from phsearch.service.workers.model_state import ModelState


class StatusReporter:
    """Collects the status from all parts."""

    def __init__(
        self,
        *,
        photo_index: PhotoIndex,
        router: PipelineRouter,
        image_worker: ImageWorker,
        writer: StoreWriter,
        model: ModelState,
        monitors: Mapping[str, RootMonitor],
        removed: RemovedRoots,
        throttle: IndexingThrottle,
        throughput: ThroughputMonitor,
        switch: ModelSwitch,
    ) -> None:
        self._photo_index = photo_index
        self._router = router
        self._image_worker = image_worker
        self._writer = writer
        self._model = model
        self._monitors = monitors
        self._removed = removed
        self._throttle = throttle
        self._throughput = throughput
        self._switch = switch
        self._started = time.monotonic()
        self._rate = RateMeter()

    @property
    def pending(self) -> int:
        """How many photos are not yet searchable, and changes not yet on disk."""
        return self._router.pending + self._writer.pending

    @property
    def working(self) -> bool:
        """Whether something goes on that changes this status by and by."""
        return bool(self.pending or self.scanning or self._switch.busy)

    @property
    def scanning(self) -> bool:
        """Whether a root is being compared with the index."""
        return any(monitor.busy for monitor in self._monitors.values())

    def sample(self) -> float:
        """Measure the rate and return photos per second. Call it about once a second."""
        self._throughput.sample()
        return self._rate.sample(self.changes())

    def changes(self) -> int:
        """Return how many photos were added, renamed or refused since the start."""
        counters = self._photo_index.counters
        return counters.embedded + counters.reused + counters.failed

    def report(self) -> Status:
        """Return the whole status."""
        rate = self.sample()
        failure = self._photo_index.last_failure
        return Status(
            version=__version__,
            protocol=PROTOCOL,
            pid=os.getpid(),
            uptime=round(time.monotonic() - self._started, 1),
            model=self._model.status(worker_running=self._image_worker.running),
            photos=len(self._photo_index.library),
            pending=self.pending,
            unwritten=self._writer.pending,
            sequence=self._photo_index.sequence.last,
            scanning=self.scanning,
            errors=self._photo_index.library.failed,
            counters=Counters(**dataclasses.asdict(self._photo_index.counters)),
            roots=tuple(map(self._root_status, self._monitors.values())),
            rate=round(rate, 2),
            eta=self._eta(rate),
            pace=self._throttle.report(),
            last_error=LastError(path=failure.path, reason=failure.reason) if failure else None,
            bottleneck=_bottleneck(self._throughput.sample()),
            notices=tuple(self._notices()),
            removed=self._removed.report(),
            switch=self._switch.report(),
        )

    def summary(self) -> str:
        """Return one line for systemd's STATUS."""
        parts = [
            f"{len(self._photo_index.library):,} photos",
            *filter(None, [str(self._model.download), self._switch.summary()]),
        ]
        if self.pending:
            rate = self._rate.last
            eta = self._eta(rate)
            speed = f" ({rate:.1f}/s, {timedelta(seconds=eta)} left)" if eta is not None else ""
            parts.append(f"{self.pending:,} pending{speed}")
        elif self.scanning:
            parts.append("scanning")
        throttle = self._throttle.state
        # A pause by the user is shown even if nothing is pending.
        if throttle.state != "full" and (self.pending or throttle.causes == ("owner",)):
            parts.append(f"indexing {throttle}")
        parts += [notice.text for notice in self._notices()][:1]
        return escape_control_chars(", ".join(parts))

    def _eta(self, rate: float) -> int | None:
        """Return the seconds until all photos are searchable, None where that is not known."""
        if rate <= 0 or not self.pending or self._throttle.pause_reason or self._image_worker.problem:
            return None
        return round(self._router.pending / rate)

    def _root_status(self, monitor: RootMonitor) -> RootStatus:
        watched, unwatched = monitor.folders
        return RootStatus(
            path=monitor.root,
            state=monitor.state,
            photos=self._photo_index.library.count(monitor.root),
            missing=monitor.missing,
            last_seen=monitor.last_seen,
            detail=monitor.detail,
            overflows=monitor.overflows,
            watched=watched,
            unwatched=unwatched,
        )

    def _notices(self) -> list[Notice]:
        notices = [
            Notice(text=f"{monitor.root}: {monitor.detail}", hint=monitor.hint)
            for monitor in self._monitors.values()
            if monitor.detail
        ]
        notices += [
            Notice(text=str(problem), hint=problem.hint)
            for problem in (self._model.problem, self._image_worker.problem, self._writer.problem)
            if problem is not None
        ]
        return notices


def _bottleneck(found: domain.Bottleneck) -> Bottleneck:
    rates = Rates(**dataclasses.asdict(found.rates))
    return Bottleneck(stage=found.stage, text=found.text, remedy=found.remedy, rates=rates)
