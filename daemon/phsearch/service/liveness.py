"""Whether every part of the daemon makes progress, and the heartbeat for systemd that depends on it.

WATCHDOG=1 is sent to systemd only while every part makes progress. A running event loop proves too little: the thread
that writes the index may hang, and then no new photo is ever found while everything looks healthy. So each part reports
its activity, and after how many seconds without progress it counts as hung. Then no heartbeat is sent, the log names
the part, and systemd does what helps: it ends this process (SIGABRT, which leaves the stacks of all threads in the
journal) and starts a new one.

The disk of a photo folder is not such a part: a new daemon would hang on it in the same way. Each call to a disk has a
time-out instead (`threads.TimeoutExecutor`). Worker processes are watched from outside (`workers.limits`).
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from phsearch.timing import RunningClock, StallTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger("phsearch.heartbeat")

_CHECK_SECONDS = 5.0
"""The longest time between two checks. A hung part is noticed this much too late, which matters little beside its
time-out."""
_CHECKS_PER_INTERVAL = 4
"""systemd.service(5) asks for two heartbeats in an interval. With four, a busy loop may miss one."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What a part is busy with. It stays equal while there is no progress; each bit of progress has another `step`."""

    what: str
    step: int


class Monitored(Protocol):
    """A part of the daemon that must not hang."""

    @property
    def name(self) -> str:
        """The name of the part in the log."""

    @property
    def hang_timeout(self) -> float:
        """Seconds without progress after which the part counts as hung."""

    @property
    def activity(self) -> Activity | None:
        """What the part is busy with; None while it is idle."""


class TaskMonitor:
    """Logs when one part hangs, and when it makes progress again."""

    def __init__(self, part: Monitored) -> None:
        self._part = part
        self._timer = StallTimer()
        self._hung = False

    def check(self, now: float) -> bool:
        """Return whether the part hangs."""
        activity = self._part.activity
        seconds = self._timer.seconds_unchanged(activity, now)
        was_hung, self._hung = self._hung, activity is not None and seconds > self._part.hang_timeout
        if self._hung and not was_hung and activity is not None:
            log.error(
                "%s has been busy with %s for %.0f s without progress: no more heartbeats, so that systemd, where it "
                "watches phsearch, restarts it",
                self._part.name,
                activity.what,
                seconds,
            )
        if was_hung and not self._hung:
            log.warning("%s makes progress again: heartbeats are sent again", self._part.name)
        return self._hung


class Heartbeat:
    """Calls `beat` while no part hangs.

    `interval` is the longest time that systemd allows between two beats, None without a watchdog.
    """

    def __init__(
        self,
        *,
        beat: Callable[[], None],
        interval: float | None,
        monitored: Iterable[Monitored],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._beat = beat
        self._monitors = [TaskMonitor(part) for part in monitored]
        self.check_seconds = min(_CHECK_SECONDS, (interval or math.inf) / _CHECKS_PER_INTERVAL)
        self._clock = RunningClock(longest_step=2 * self.check_seconds, clock=clock)

    async def run(self) -> None:
        """Check and beat until cancelled."""
        while True:
            self.check()
            await asyncio.sleep(self.check_seconds)

    def check(self) -> None:
        """Check every part once, and beat if none hangs."""
        now = self._clock.now
        hung = [monitor.check(now) for monitor in self._monitors]  # all of them: each counts its own time
        if not any(hung):
            self._beat()
