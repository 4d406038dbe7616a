"""Calls that may hang, and clocks that tell a hang from a process that was stopped."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class TimedCall(Generic[_T]):
    """A blocking call on its own thread, so that its caller waits only as long as it wants to.

    It starts `call(progress)` at once. The call may report each step of its work by `progress()`. `on_done` is called
    at the end, on the thread of the call.

    A call on a network share whose server is gone does not return for minutes, or ever, and no signal ends it. So the
    thread of a call that hangs is left behind: it is a daemon thread, which ends with the process.
    """

    def __init__(
        self, call: Callable[[Callable[[], None]], _T], *, name: str, on_done: Callable[[], None] = lambda: None
    ) -> None:
        self._call = call
        self._on_done = on_done
        self._results: list[_T] = []
        self._error: Exception | None = None
        self._last_progress = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether the call has ended."""
        return not self._thread.is_alive()

    @property
    def silent_seconds(self) -> float:
        """Seconds since the start, or since the last progress."""
        return time.monotonic() - self._last_progress

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most for so long. Return whether the call has ended."""
        self._thread.join(seconds)
        return self.done

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
