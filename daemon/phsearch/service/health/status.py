"""How the daemon is, as one object: what `status` answers and what the log and systemd show."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from phsearch import __version__
from phsearch.text import printable
from phsearch.wire import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.service.health.throughput import Load
    from phsearch.service.indexing.photo_index import Catalog
    from phsearch.service.indexing.router import Pipelines
    from phsearch.service.indexing.store_writer import Writer
    from phsearch.service.roots.monitor import RootKeeper
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.throttle import Governor
    from phsearch.service.workers.image_worker import Embedder
    from phsearch.service.workers.model_state import ModelState

_WINDOW = 10.0
_STEP = 0.5


class Rate:
    """Photos a second over the last ten seconds of work."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self.last = 0.0

    def sample(self, done: int) -> float:
        """Take the number of photos done so far; gives photos per second."""
        now = self._clock()
        if len(self._samples) > 1 and self._samples[-1][0] < self._samples[-2][0] + _STEP:
            # Whoever asks a thousand times a second must not have us remember them all.
            self._samples.pop()
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW:  # noqa: PLR2004 - two make a rate
            self._samples.popleft()
        if len(self._samples) > 1 and self._samples[0][0] < now - 2 * _WINDOW:
            # Nobody samples while nothing is done: a rest is no part of the work after it.
            self._samples.popleft()
        (then, before), (last, after) = self._samples[0], self._samples[-1]
        self.last = (after - before) / (last - then) if last > then else 0.0
        return self.last


class Status:
    """Asks every part."""

    def __init__(
        self,
        catalog: Catalog,
        pipelines: Pipelines,
        embedder: Embedder,
        writer: Writer,
        model: ModelState,
        keepers: Mapping[str, RootKeeper],
        removed: RemovedRoots,
        governor: Governor,
        load: Load,
    ) -> None:
        self._catalog = catalog
        self._pipelines = pipelines
        self._embedder = embedder
        self._writer = writer
        self._model = model
        self._keepers = keepers
        self._removed = removed
        self._governor = governor
        self._load = load
        self._started = time.monotonic()
        self._rate = Rate()

    @property
    def unsearchable(self) -> int:
        """Photos seen but not yet searchable."""
        return self._pipelines.pending

    @property
    def pending(self) -> int:
        """Photos seen but not yet searchable, and changes not yet on disk."""
        return self._pipelines.pending + self._writer.pending

    @property
    def scanning(self) -> bool:
        """Whether a root is being compared with the index."""
        return any(keeper.busy for keeper in self._keepers.values())

    def sample(self) -> float:
        """Measure the rate now; call it about once a second."""
        counters = self._catalog.counters
        self._load.sample()
        return self._rate.sample(counters.embedded + counters.reused + counters.failed)

    def report(self) -> dict[str, Any]:
        """Give the whole status."""
        rate = self.sample()
        failure = self._catalog.last_failure
        return {
            "version": __version__,
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self._started, 1),
            "model": self._model.status() | {"image_worker": "running" if self._embedder.running else "idle"},
            "photos": len(self._catalog.library),
            "pending": self.pending,
            "scanning": self.scanning,
            "errors": self._catalog.library.failed,
            "counters": dataclasses.asdict(self._catalog.counters),
            "roots": [
                {
                    "path": keeper.root,
                    "state": keeper.state,
                    "photos": self._catalog.library.count(keeper.root),
                    "missing": keeper.missing,
                    "last_seen": keeper.last_seen,
                    "detail": keeper.detail,
                    "overflows": keeper.overflows,
                    "watched": keeper.folders[0],
                    "unwatched": keeper.folders[1],
                }
                for keeper in self._keepers.values()
            ],
            "rate": round(rate, 2),
            "eta": round(self.pending / rate) if rate > 0 and self.pending and not self._governor.held else None,
            "pace": self._governor.report(),
            "last_error": {"path": failure.path, "reason": failure.reason} if failure else None,
            "bottleneck": dataclasses.asdict(self._load.sample()),
            "notices": self._notices(),
            "removed": self._removed.report(),
        }

    def line(self) -> str:
        """Give one line for systemd's STATUS."""
        parts = [f"{len(self._catalog.library):,} photos"]
        if self.pending:
            rate = self._rate.last
            left = timedelta(seconds=round(self.pending / rate)) if rate > 0 and not self._governor.held else None
            speed = f" ({rate:.1f}/s, {left} left)" if left is not None else ""
            parts.append(f"{self.pending:,} pending{speed}")
        elif self.scanning:
            parts.append("scanning")
        # Of the owner's pause people want to know in any case.
        pace = self._governor.pace
        if pace.state != "full" and (self.pending or pace.causes == ("owner",)):
            parts.append(f"indexing {pace}")
        parts += [notice["text"] for notice in self._notices()][:1]
        return printable(", ".join(parts))

    def _notices(self) -> list[dict[str, str]]:
        notices = [
            {"text": f"{keeper.root}: {keeper.detail}", "hint": keeper.hint}
            for keeper in self._keepers.values()
            if keeper.detail
        ]
        notices += [
            {"text": str(problem), "hint": problem.hint}
            for problem in (self._model.problem, self._writer.problem)
            if problem is not None
        ]
        return notices
