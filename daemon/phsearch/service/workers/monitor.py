"""Watches worker processes that owe the daemon an answer: whether they still do anything, and stay within their limits.

How long an answer may take is unknown: a model may be large, the machine busy, the weights on their way over a slow
line. Whether a process does anything is known to the kernel, without asking the process: its processor time grows, or
pages come in from the disk. A process that was stopped, or that waits for something that never comes, does neither.

All times are those of a `RunningClock`, so that a daemon that was stopped does not blame its workers.
"""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from phsearch.domain.indexing import worker_exit
from phsearch.service.liveness import RunningClock, StallTimer
from phsearch.service.workers.limits import MemoryLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from phsearch.domain.indexing.batching import Batcher
    from phsearch.domain.indexing.worker_exit import WorkerExit
    from phsearch.service.workers.limits import WorkerLimits

_T = TypeVar("_T")

CHECK_SECONDS = 0.1
"""The time between two checks. A process that eats memory takes a gigabyte in half a second."""

_LONGEST_STEP = 1.0
_MAJFLT, _UTIME, _STIME = 9, 11, 12  # of /proc/PID/stat, counted from the field behind the name


class StalledError(Exception):
    """A worker process does nothing, or does not answer in time. The text says which."""


class MemoryExceededError(Exception):
    """A worker process takes more memory than it may."""

    def __init__(self, exit_: WorkerExit) -> None:
        super().__init__(exit_.reason)
        self.exit = exit_


async def wait_while_active(
    answer: Coroutine[Any, Any, _T],
    *,
    pid: int,
    idle_seconds: float,
    timeout: float = math.inf,  # noqa: ASYNC109 - not by the wall clock
    memory: MemoryLimit | None = None,
) -> _T:
    """Return what `answer` returns, for as long as process `pid` works on it.

    Raises StalledError when the process has done nothing for `idle_seconds`, or has not answered within `timeout`.
    Raises MemoryExceededError when it takes more than `memory`.
    """
    task = asyncio.ensure_future(answer)
    clock, activity = RunningClock(longest_step=_LONGEST_STEP), StallTimer()
    try:
        while not (await asyncio.wait({task}, timeout=CHECK_SECONDS))[0]:
            now = clock.now
            if memory is not None and (exit_ := memory.violation()) is not None:
                raise MemoryExceededError(exit_)
            if activity.seconds_unchanged(cpu_and_faults(pid), now) >= idle_seconds:
                raise StalledError(f"it has done nothing for {idle_seconds:g} s")
            if now >= timeout:
                raise StalledError(f"it has not answered for {timeout:g} s")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def cpu_and_faults(pid: int) -> tuple[int, int, int] | None:
    """Return the page faults served from disk, and user and system time in ticks; None without the process."""
    try:
        # The name in parentheses may hold anything, also spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[_MAJFLT]), int(fields[_UTIME]), int(fields[_STIME])


class LimitMonitor:
    """Watches the index worker while it has photos: its memory, how long it decodes each, how long it is silent."""

    def __init__(
        self, *, pid: int, limits: WorkerLimits, batcher: Batcher, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._memory = MemoryLimit(pid, limits)
        self._batcher = batcher
        self._clock = RunningClock(longest_step=_LONGEST_STEP, clock=clock)
        self._last_message = 0.0
        self.overdue: list[str] = []
        """The photos that the last violation is about, where they are known."""
        self.responded = False
        """Whether the worker has ever sent a message."""

    @property
    def now(self) -> float:
        """Seconds that the daemon has been running since the worker was started."""
        return self._clock.now

    def batch_sent(self) -> None:
        """Note that the worker got something to do."""
        self._last_message = self.now

    def message_seen(self) -> None:
        """Note that the worker sent a message."""
        self._last_message = self.now
        self.responded = True

    def violation(self) -> WorkerExit | None:
        """Return why the worker must be ended, None while it need not be. Sets `overdue`."""
        self.overdue = []
        now = self.now
        if not self._batcher.busy:
            return None
        if (exit_ := self._memory.violation()) is not None:
            return exit_
        self.overdue = self._batcher.overdue(now - self._limits.photo_seconds)
        if self.overdue:
            return worker_exit.decode_timeout(self._limits.photo_seconds)
        silent = not self._batcher.decoding and now - self._last_message > self._limits.silent_seconds
        return worker_exit.model_timeout(self._limits.silent_seconds) if silent else None
