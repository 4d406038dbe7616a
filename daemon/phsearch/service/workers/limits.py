"""Watches a worker while it holds photos: whether one of them takes too long or too much memory.

The time is that of a clock which stands still while the daemon does not run, so that a daemon that was stopped for a
minute does not take its own sleep for the worker's.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from phsearch.domain.indexing import worker_exit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from phsearch.domain.indexing.batching import Batcher
    from phsearch.domain.indexing.worker_exit import WorkerExit

# Patience with a worker process that owes an answer: as long as it does anything, and no longer.
#
# How long an answer may take nobody knows: a model may be large, the machine busy, the weights on their way over a slow
# line. Whether a process does anything the kernel knows, without asking it: its processor time grows, or pages that it
# touches come in from the disk. One that was stopped, or waits for what never comes, does neither.


_T = TypeVar("_T")

_LOOK_SECONDS = 1.0
_MAJFLT, _UTIME, _STIME = 9, 11, 12  # of /proc/PID/stat, counted from the field behind the name


class StalledError(Exception):
    """The process does nothing, or what it does leads nowhere; `str` says which."""


async def wait_while_active(answer: Coroutine[Any, Any, _T], pid: int, still: float, longest: float = math.inf) -> _T:
    """Give what `answer` gives. Raises StalledError when the process has done nothing for `still` seconds.

    Also when it has been at it for `longest`. Looks are counted instead of time, so that a daemon that was stopped for
    a while does not take that for the worker's.
    """
    task = asyncio.ensure_future(answer)
    before, quiet, looks = None, 0, 0  # most answers come before the first look, and are not to pay for one
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
            now, looks = cpu_and_faults(pid), looks + 1
            quiet = quiet + 1 if now == before else 0
            before = now
            if quiet * _LOOK_SECONDS >= still:
                raise StalledError(f"it has done nothing for {still:g} s")
            if looks * _LOOK_SECONDS >= longest:
                raise StalledError(f"it has not answered for {longest:g} s")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def cpu_and_faults(pid: int) -> tuple[int, int, int] | None:
    """Give page faults served from disk and the processor time in ticks; None without the process."""
    try:
        # The name in parentheses may hold anything, spaces and parentheses, too.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[_MAJFLT]), int(fields[_UTIME]), int(fields[_STIME])


# How much memory the index worker may take before the photo it decodes is suspected.
#
# Automatic means: what the model takes, and room for a photo of the largest size allowed in each decoding thread, but
# no more than half of the machine. A photo alone has all of that room; several large ones together may pass it, and are
# then decoded one after the other.


MB = 1 << 20
_BYTES_PER_PIXEL = 24
"""The greediest honest decoder is WebP's, which takes 22 for a lossless picture with transparency; others 7 to 13."""
_SHARE = 0.5
_LEAST = 512 * MB


def worker_memory_limit(configured_mb: int, loaded: int, threads: int, megapixels: float, machine: int) -> int:
    """Give the limit in bytes; `loaded` is what the worker has now, `machine` the memory there is."""
    # Whatever is configured: the model's batches take up to as much again as the model, and no photo is to blame.
    least = 2 * loaded + _LEAST
    if configured_mb:
        return max(configured_mb * MB, least)
    room = int(megapixels * 1_000_000 * _BYTES_PER_PIXEL) * threads
    return max(min(least + room, int(machine * _SHARE)), least)


LOOK_SECONDS = 0.1
"""How often to look: what eats memory fills a gigabyte in half a second."""

_LONGEST_STEP = 1.0
_MODEL_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a worker may take. `memory` gives a process's bytes, `allowed` the most it may have from what it has now."""

    patience: float
    memory: Callable[[int], int]
    allowed: Callable[[int], int]

    @property
    def longest(self) -> float:
        """How long a worker may say nothing: a large model on a small processor takes its time over a batch."""
        return self.patience * _MODEL_PATIENCE


class LimitMonitor:
    """One worker's."""

    def __init__(
        self, pid: int, limits: WorkerLimits, batcher: Batcher, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pid = pid
        self._limits = limits
        self._batcher = batcher
        self._clock = clock
        self._last = clock()
        self._now = 0.0
        self._heard = 0.0
        self.allowed = limits.allowed(limits.memory(pid))
        self.overdue: list[str] = []
        """Photos that the last sentence was for, where they are known."""
        self.responded = False
        """Whether the worker ever gave a sign of life."""

    @property
    def now(self) -> float:
        """Seconds that the daemon has been running since the worker was hired."""
        before, self._last = self._last, self._clock()
        self._now += min(self._last - before, _LONGEST_STEP)
        return self._now

    def batch_sent(self) -> None:
        """Note that the worker got something to do."""
        self._heard = self.now

    def message_seen(self) -> None:
        """Note a sign of life."""
        self._heard = self.now
        self.responded = True

    def violation(self) -> WorkerExit | None:
        """Look once; gives why the worker must be ended, if it must."""
        self.overdue = []
        now = self.now
        if not self._batcher.busy:
            return None
        if self._limits.memory(self._pid) > self.allowed:
            return worker_exit.memory_exceeded(self.allowed)
        self.overdue = self._batcher.overdue(now - self._limits.patience)
        if self.overdue:
            return worker_exit.decode_timeout(self._limits.patience)
        silent = not self._batcher.decoding and now - self._heard > self._limits.longest
        return worker_exit.model_timeout(self._limits.longest) if silent else None
