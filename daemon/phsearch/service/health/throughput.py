"""What was done in the last minute of work, by stage, and which stage holds up the rest."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from phsearch.domain.throttle.policy import FULL
from phsearch.domain.throughput import Backlog, Bottleneck, Machine, Work, bottleneck

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.throttle.policy import Pace
    from phsearch.service.indexing.router import Pipelines
    from phsearch.service.indexing.store_writer import Writer
    from phsearch.service.workers.image_worker import Embedder

_WINDOW = 60.0
_STEP = 1.0
_STALE = 15.0


class Load:
    """Looks at everybody's clocks, about once a second."""

    def __init__(
        self,
        pipelines: Pipelines,
        embedder: Embedder,
        writer: Writer,
        machine: Callable[[], Machine],
        slowed: Callable[[], Pace] = lambda: FULL,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pipelines = pipelines
        self._embedder = embedder
        self._writer = writer
        self._machine = machine
        self._slowed = slowed
        self._now = now
        self._samples: deque[tuple[float, Work]] = deque()
        self._latest = (0.0, Work())

    @property
    def total(self) -> Work:
        """Everything since the start."""
        return self._pipelines.work.plus(self._embedder.clocks.work).plus(self._writer.clocks.work)

    def sample(self) -> Bottleneck:
        """Look now; gives the bottleneck."""
        now, work = self._now(), self.total
        unembedded = self._embedder.pending
        unread = max(self._pipelines.queued - unembedded, 0)
        backlog = Backlog(unread, unembedded, self._writer.pending, self._slowed())
        # While nothing waits, or the worker is still loading its model, nobody holds up anybody: the clock starts
        # when it can begin.
        resting = backlog.slowed.state != "full" or (unembedded and not self._embedder.running)
        if resting or not unread + unembedded + backlog.unwritten:
            self._samples.clear()
            self._latest = (now, work)
        if not self._samples or now - self._samples[-1][0] >= _STEP:
            self._samples.append((now, work))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW:  # noqa: PLR2004 - two make a span
            self._samples.popleft()
        # Photos come in batches: up to the last of them, or the rate would sink until the next comes.
        if work.embedded != self._latest[1].embedded or now - self._latest[0] > _STALE:
            self._latest = (now, work)
        then, before = self._samples[0]
        until, after = self._latest if self._latest[0] > then else (now, work)
        return bottleneck(after.since(before), until - then, backlog, self._machine())
