"""The heartbeat: WATCHDOG=1 for systemd, sent only while every part of the daemon gets on with what it has in hand.

A loop that turns is not enough: the thread that writes the index may hang, and then nothing new is ever found while
everything looks well. So each part with work of its own says what it is at, and after how long without anything coming
of it there is no hope any more. Past that no heartbeat goes out, the log says why, and systemd does what helps: it ends
this process (SIGABRT, which leaves the stacks of all threads in the journal) and starts another.

The disk of a photo folder is no part of the daemon: when it hangs, a new daemon would hang on it just so.

Time is counted from look to look, and one look counts for two at most: a daemon that was stopped for an hour and
continued does not take its own sleep for that of its parts.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# What a part of the daemon has in hand, put so that the heartbeat can tell work from hanging.


@dataclass(frozen=True, slots=True)
class Activity:
    """What a part is at. It stays equal while nothing comes of it; every bit of progress gives it another `step`."""

    what: str
    step: int


class Monitored(Protocol):
    """A part that must not hang. `patience`: seconds at one job after which there is no hope that it ends."""

    @property
    def name(self) -> str:
        """The part as the log calls it."""

    @property
    def hang_timeout(self) -> float:
        """How long it may take over one job."""

    @property
    def activity(self) -> Activity | None:
        """What it is at; None while it has nothing to do."""


log = logging.getLogger("phsearch.heartbeat")

_LOOK_SECONDS = 5.0
"""How often to look, at most. A part is caught this much too late, which does not matter beside its patience."""
_LOOKS_PER_INTERVAL = 4
"""systemd.service(5) asks for two beats in an interval; a busy loop may be late for one."""


class TaskMonitor:
    """How long one part has been at one job, in seconds that the daemon was running."""

    def __init__(self, duty_cycle: Monitored) -> None:
        self._duty = duty_cycle
        self._job: Activity | None = None
        self._seconds = 0.0
        self._reported = False

    def look(self, passed: float) -> bool:
        """Look again after `passed` seconds; gives whether the part is overdue. Logs when that changes."""
        before, self._job = self._job, self._duty.activity
        self._seconds = self._seconds + passed if self._job is not None and self._job == before else 0.0
        overdue = self._seconds > self._duty.hang_timeout
        if overdue and not self._reported and self._job is not None:
            log.error(
                "%s has been at %s for %.0f s and nothing comes of it: "
                "no more heartbeats, so that systemd, where it keeps watch, starts phsearch anew",
                self._duty.name,
                self._job.what,
                self._seconds,
            )
        if self._reported and not overdue:
            log.warning("%s goes on: heartbeats again", self._duty.name)
        self._reported = overdue
        return overdue


class Heartbeat:
    """Beats while all is well. `within`: how soon after another the next beat must come; None where nobody waits."""

    def __init__(
        self,
        beat: Callable[[], None],
        within: float | None,
        monitored: Iterable[Monitored],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._beat = beat
        self._monitors = [TaskMonitor(duty_cycle) for duty_cycle in monitored]
        self._clock = clock
        self._last = clock()
        self.every = min(_LOOK_SECONDS, (within or math.inf) / _LOOKS_PER_INTERVAL)

    async def run(self) -> None:
        """Look and beat until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(self.every)

    def look(self) -> None:
        """Look once, and beat if all is well."""
        before, self._last = self._last, self._clock()
        passed = min(self._last - before, 2 * self.every)
        overdue = [monitor.look(passed) for monitor in self._monitors]  # all of them: each counts its own time
        if not any(overdue):
            self._beat()
