"""The work of the last minute by stage, and the stage that slows down the others."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from phsearch.domain.throttle.policy import FULL
from phsearch.domain.throughput import Backlog, Bottleneck, Capacity, StageCounts, bottleneck

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.throttle.policy import ThrottleState
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.indexing.store_writer import StoreWriter
    from phsearch.service.workers.image_worker import ImageWorker

_WINDOW = 60.0
_STEP = 1.0
_STALE = 15.0


class ThroughputMonitor:
    """Samples the totals of all stages, about once a second."""

    def __init__(
        self,
        *,
        router: PipelineRouter,
        image_worker: ImageWorker,
        writer: StoreWriter,
        capacity: Callable[[], Capacity],
        throttle_state: Callable[[], ThrottleState] = lambda: FULL,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._router = router
        self._image_worker = image_worker
        self._writer = writer
        self._capacity = capacity
        self._throttle_state = throttle_state
        self._now = now
        self._samples: deque[tuple[float, StageCounts]] = deque()
        self._latest = (0.0, StageCounts())

    @property
    def total(self) -> StageCounts:
        """The work of all stages since the start."""
        return self._router.total_work.plus(self._image_worker.stage_totals.work).plus(self._writer.stage_totals.work)

    def sample(self) -> Bottleneck:
        """Add a sample and return the bottleneck."""
        now, work = self._now(), self.total
        unembedded = self._image_worker.pending
        unread = max(self._router.queued - unembedded, 0)
        backlog = Backlog(
            unread=unread, unembedded=unembedded, unwritten=self._writer.pending, slowed=self._throttle_state()
        )
        # There is no bottleneck while nothing waits or the worker still loads its model. The time is measured from the
        # moment when work can begin.
        resting = backlog.slowed.state != "full" or (unembedded and not self._image_worker.running)
        if resting or not unread + unembedded + backlog.unwritten:
            self._samples.clear()
            self._latest = (now, work)
        if not self._samples or now - self._samples[-1][0] >= _STEP:
            self._samples.append((now, work))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW:  # noqa: PLR2004 - two make a span
            self._samples.popleft()
        # Photos come in batches. The span ends with the last batch, or the rate would fall until the next one.
        if work.embedded != self._latest[1].embedded or now - self._latest[0] > _STALE:
            self._latest = (now, work)
        then, before = self._samples[0]
        until, after = self._latest if self._latest[0] > then else (now, work)
        return bottleneck(after.since(before), until - then, backlog, self._capacity())
