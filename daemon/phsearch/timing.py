"""Calls that may hang, and clocks that tell a hang from a process that was stopped or kept from running."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

_IDLE_SECONDS = 10.0
_SHARE_SECONDS = 1.0
"""Seconds between two readings of the kernel's numbers."""


class DaemonThreads:
    """Threads that end with the process.

    One that has done its work waits for more, for `idle_seconds`: to start one takes longer.
    """

    def __init__(self, name: str, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._name = name
        self._idle_seconds = idle_seconds
        self._idle: list[queue.SimpleQueue[Callable[[], None]]] = []

    def start(self, work: Callable[[], None]) -> None:
        """Start `work`. Raises RuntimeError where no thread can be started."""
        try:
            self._idle.pop().put(work)
        except IndexError:
            inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
            inbox.put(work)
            threading.Thread(target=self._serve, args=(inbox,), name=self._name, daemon=True).start()

    def _serve(self, inbox: queue.SimpleQueue[Callable[[], None]]) -> None:
        while True:
            try:
                work = inbox.get(timeout=self._idle_seconds)
            except queue.Empty:
                try:
                    self._idle.remove(inbox)
                except ValueError:  # work was just being put into it
                    continue
                return
            work()
            self._idle.append(inbox)


class TimedCall(Generic[_T]):
    """A blocking call on its own thread, so that its caller waits only as long as it wants to.

    It starts `call(progress)` at once, on one of `threads`. The call may report each step of its work by `progress()`.
    `on_done` is called at the end, on the thread of the call. Raises RuntimeError where no thread can be started.

    A call on a network share whose server is gone does not return for minutes, or ever, and no signal ends it. So the
    thread of a call that hangs is left behind: it is a daemon thread, which ends with the process.
    """

    def __init__(
        self,
        call: Callable[[Callable[[], None]], _T],
        *,
        threads: DaemonThreads,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        self._call = call
        self._on_done = on_done
        self._results: list[_T] = []
        self._error: Exception | None = None
        self._last_progress = time.monotonic()
        self._ended = threading.Event()
        threads.start(self._run)

    @property
    def done(self) -> bool:
        """Whether the call has ended."""
        return self._ended.is_set()

    @property
    def silent_seconds(self) -> float:
        """Seconds since the start, or since the last progress."""
        return time.monotonic() - self._last_progress

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most for so long. Return whether the call has ended."""
        return self._ended.wait(seconds)

    def result(self) -> _T:
        """Return what the call returned, or raise what it raised. Only for a call that has ended."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _progress(self) -> None:
        self._last_progress = time.monotonic()

    def _run(self) -> None:
        try:
            self._results.append(self._call(self._progress))
        except Exception as error:  # noqa: BLE001 - raised again by `result`
            self._error = error
        self._ended.set()
        self._on_done()


class RunningClock:
    """A clock that stands still while this process does not run.

    Each reading adds `longest_step` seconds at most. A daemon that was stopped for an hour and then continued does not
    count that hour against its parts or its workers.
    """

    def __init__(self, *, longest_step: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest_step = longest_step
        self._clock = clock
        self._last = clock()
        self._now = 0.0

    @property
    def now(self) -> float:
        """Seconds that this process has been running since the clock was made."""
        before, self._last = self._last, self._clock()
        self._now += min(self._last - before, self._longest_step)
        return self._now


class ProcessorTimes(NamedTuple):
    """Seconds that the threads of a process have run, and that they were ready and waited."""

    running: float
    waiting: float


def processor_times(pid: int) -> ProcessorTimes:
    """Return the times of a process; zeros without the process, or where the kernel does not count them.

    They are the first two numbers of /proc/PID/task/TID/schedstat, in nanoseconds.
    """
    running = waiting = 0
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError, ValueError):
                ran, waited, _ = (thread / "schedstat").read_text().split()
                running, waiting = running + int(ran), waiting + int(waited)
    return ProcessorTimes(running / 1e9, waiting / 1e9)


class ProcessorClock:
    """A clock that stands still while a process is ready to run and others have the processor.

    A photo may take so many seconds to decode. On a machine that is busy with other programs it takes many times as
    long, and is not to blame. A process that neither runs nor is ready hangs, or waits for its disk: then the clock
    goes on. Like `RunningClock`, it counts no time in which this process was stopped.
    """

    def __init__(
        self,
        pid: int,
        *,
        longest_step: float,
        clock: Callable[[], float] = time.monotonic,
        times: Callable[[int], ProcessorTimes] = processor_times,
    ) -> None:
        self._pid = pid
        self._clock = RunningClock(longest_step=longest_step, clock=clock)
        self._times = times
        self._before = times(pid)
        self._read_at = 0.0
        self._counted_until = 0.0
        self._share = 1.0
        self._now = 0.0

    @property
    def now(self) -> float:
        """Seconds since the clock was made."""
        passed = self._clock.now
        if passed - self._read_at >= _SHARE_SECONDS:
            self._share = self._share_since(passed)
        self._now += (passed - self._counted_until) * self._share
        self._counted_until = passed
        return self._now

    def _share_since(self, passed: float) -> float:
        """Return how much of what the process could have run since the last reading it was let."""
        before, self._before = self._before, self._times(self._pid)
        elapsed, self._read_at = passed - self._read_at, passed
        ran, waited = self._before.running - before.running, self._before.waiting - before.waiting
        # Threads end, and their times with them. One that is ready is so all the time.
        return ran / (ran + waited) if ran >= 0 and waited > elapsed / 2 else 1.0


class StallTimer:
    """How long a value has stayed the same."""

    def __init__(self) -> None:
        self._value: object = self  # equal to no value
        self._since = 0.0

    def seconds_unchanged(self, value: object, now: float) -> float:
        """Return the seconds since `value` was first seen without a change."""
        if value != self._value:
            self._value, self._since = value, now
        return now - self._since
