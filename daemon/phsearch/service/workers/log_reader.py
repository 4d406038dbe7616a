"""What a worker says on its stderr, taken into the daemon's log.

Image libraries complain there, a line for every odd tag of every odd file, and that is of no use to the owner: it is
logged at the level "debug", so much a minute at most. Python's tracebacks are bugs, logged as errors, each whole.
Whatever comes is read at once, so that no worker ever waits for somebody to listen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("phsearch.worker")

_CHUNK = 1 << 16
_LONGEST = 500
"""Characters of a line that are kept."""
_LINES = 60
_TRACES = 5
_WINDOW = 60.0
_LAST_LINES = 10
_TRACE_LINES = 200
_TRACE = "Traceback (most recent call last):"


class StderrLogger:
    """One worker's; reads `fd`, the end of a pipe, until `close`."""

    def __init__(self, fd: int, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._fd = fd
        self._name = name
        self._clock = clock
        self._rest = b""
        self._trace: list[str] = []
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._until = clock() + _WINDOW
        self._lines = self._traces = 0
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self._read)

    def log_tail(self) -> None:
        """Log the last lines once more, as an error: the worker ended, and they may say why."""
        for line in self._last:
            log.error("%s: %s", self._name, line)
        self._last.clear()

    def close(self) -> None:
        """Read what there still is, and no more."""
        if self._fd < 0:
            return
        while self._read():
            pass
        self._on_data(b"\n")
        self._end_trace()
        self._sum_up()
        self._on_end()

    def _read(self) -> bool:
        """Read once; gives whether there may be more."""
        if self._fd < 0:
            return False
        data = b""
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            self._on_end()
            return False
        if not data:
            # A loop goes on calling for a pipe whose other end is closed.
            asyncio.get_running_loop().remove_reader(self._fd)
            return False
        self._on_data(data)
        return True

    def _on_end(self) -> None:
        fd, self._fd = self._fd, -1
        with contextlib.suppress(RuntimeError):  # no loop runs any more
            asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)

    def _on_data(self, data: bytes) -> None:
        # Progress bars end their lines with a carriage return.
        *lines, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        self._rest = rest[-_LONGEST:]
        for line in lines:
            self._line(line[:_LONGEST].decode("utf-8", "backslashreplace").rstrip())

    def _line(self, line: str) -> None:
        if self._trace:
            self._trace.append(line)
            # The first line that is not indented names the exception, and ends it.
            if (line and not line.startswith(" ")) or len(self._trace) >= _TRACE_LINES:
                self._end_trace()
        elif line == _TRACE:
            self._trace.append(line)
        elif line:
            self._last.append(line)
            self._count_windows()
            self._lines += 1
            if self._lines <= _LINES:
                log.debug("%s: %s", self._name, line)

    def _end_trace(self) -> None:
        trace, self._trace = self._trace, []
        if not trace:
            return
        self._last.clear()  # the trace says why
        self._count_windows()
        self._traces += 1
        if self._traces <= _TRACES:
            log.error("%s:\n%s", self._name, "\n".join(trace))

    def _count_windows(self) -> None:
        if (now := self._clock()) > self._until:
            self._sum_up()
            self._until = now + _WINDOW
            self._lines = self._traces = 0

    def _sum_up(self) -> None:
        if self._lines > _LINES:
            log.debug("%s: ... and %d lines more", self._name, self._lines - _LINES)
        if self._traces > _TRACES:
            log.error("%s: ... and %d tracebacks more", self._name, self._traces - _TRACES)
