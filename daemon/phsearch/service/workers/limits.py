"""How much time and memory a worker process may take, and what watches that it keeps to it.

How long an answer may take is unknown: a model may be large, the machine busy, the weights on their way over a slow
line. Whether a process does anything is known to the kernel, without asking the process: its processor time grows, or
pages come in from the disk. A process that was stopped, or that waits for something that never comes, does neither.

All times are those of a `ProcessorClock`: neither a daemon that was stopped nor a machine that is busy with others is
the fault of a photo.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.domain.indexing import worker_exit
from phsearch.timing import ProcessorClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.indexing.batching import Batcher
    from phsearch.domain.indexing.worker_exit import WorkerExit

MB = 1 << 20
_BYTES_PER_PIXEL = 24
"""WebP's decoder takes the most of all sound decoders: 22 for a lossless picture with transparency. Others take 7 to
13."""
_MACHINE_SHARE = 0.5
_BATCH_BYTES = 512 * MB
_MODEL_FACTOR = 5.0


def worker_memory_limit(configured_mb: int, loaded: int, threads: int, megapixels: float, machine: int) -> int:
    """Return how many bytes the index worker may take before the photo that it decodes is suspected.

    `loaded` is what the worker takes with its model loaded, `machine` the memory of the machine, both in bytes.

    The automatic limit is the model's memory, and room for a photo of the largest allowed size in each decoding thread,
    but no more than half of the machine. A photo alone has all of that room. Several large photos together may exceed
    it, and are then decoded one after the other.
    """
    # Whatever is configured: the model's batches take up to as much again as the model, and no photo is to blame.
    least = 2 * loaded + _BATCH_BYTES
    if configured_mb:
        return max(configured_mb * MB, least)
    room = int(megapixels * 1_000_000 * _BYTES_PER_PIXEL) * threads
    return max(min(least + room, int(machine * _MACHINE_SHARE)), least)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """What a worker may take."""

    photo_seconds: float
    """How long it may decode one photo."""
    memory_of: Callable[[int], int]
    """Returns the memory of a process in bytes."""
    max_memory: Callable[[int], int]
    """Returns the most bytes a worker may take, from those that it takes once its model is loaded."""

    @property
    def silent_seconds(self) -> float:
        """How long it may send no message while its model works: a large model on a slow processor takes long."""
        return self.photo_seconds * _MODEL_FACTOR


class MemoryLimit:
    """The memory that one worker process may take. Made when its model is loaded and it has no photo yet."""

    def __init__(self, pid: int, limits: WorkerLimits) -> None:
        self._pid = pid
        self._memory_of = limits.memory_of
        self._max_bytes = limits.max_memory(limits.memory_of(pid))

    def violation(self) -> WorkerExit | None:
        """Return why the worker must be ended, None while it stays within its limit."""
        exceeded = self._memory_of(self._pid) > self._max_bytes
        return worker_exit.memory_exceeded(self._max_bytes) if exceeded else None


CHECK_SECONDS = 0.1
"""The time between two checks. A process that eats memory takes a gigabyte in half a second."""

LONGEST_STEP = 1.0
"""The most that a check counts, whatever the time since the last one."""

_MAJFLT, _UTIME, _STIME = 9, 11, 12  # of /proc/PID/stat, counted from the field behind the name


class StalledError(Exception):
    """A worker process does nothing, or does not answer in time. The text says which."""


class MemoryExceededError(Exception):
    """A worker process takes more memory than it may."""

    def __init__(self, exit_: WorkerExit) -> None:
        super().__init__(exit_.reason)
        self.exit = exit_


def cpu_and_faults(pid: int) -> tuple[int, int, int] | None:
    """Return the page faults served from disk, and user and system time in ticks; None without the process."""
    try:
        # The name in parentheses may hold anything, also spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[_MAJFLT]), int(fields[_UTIME]), int(fields[_STIME])


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has taken, in seconds; 0 without the process."""
    _, user, system = cpu_and_faults(pid) or (0, 0, 0)
    return (user + system) / os.sysconf("SC_CLK_TCK")


class LimitMonitor:
    """Watches the index worker while it has photos: its memory, how long it decodes each, how long it is silent."""

    def __init__(
        self, *, pid: int, limits: WorkerLimits, batcher: Batcher, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._memory = MemoryLimit(pid, limits)
        self._batcher = batcher
        self._clock = ProcessorClock(pid, longest_step=LONGEST_STEP, clock=clock)
        self._last_message = 0.0
        self.overdue: list[str] = []
        """The photos that the last violation is about, where they are known."""
        self.responded = False
        """Whether the worker has ever sent a message."""

    @property
    def now(self) -> float:
        """Seconds that the daemon has been running, and that the worker was let, since the worker was started."""
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
