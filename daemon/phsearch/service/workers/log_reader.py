"""Copies the stderr of a worker into the daemon's log.

Image libraries print a line there for every odd tag of every odd file. These are of no use to the user, so they are
logged at the level "debug", and only some of them each minute. A traceback of Python is a bug, and is logged whole as
one error. All output is read at once, so that no worker ever waits for its reader.
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
_MAX_LENGTH = 500
"""Longer lines are cut."""
_WINDOW_SECONDS = 60.0
_LINES_PER_WINDOW = 60
_TRACES_PER_WINDOW = 5
_TAIL_LINES = 10
_MAX_TRACE_LINES = 200
_TRACE_START = "Traceback (most recent call last):"


class StderrLogger:
    """Reads the stderr of one worker from `fd`, the end of a pipe, until `close`."""

    def __init__(self, fd: int, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._fd = fd
        self._name = name
        self._clock = clock
        self._rest = b""
        self._trace: list[str] = []
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._window_end = clock() + _WINDOW_SECONDS
        self._lines = self._traces = 0
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self._read)

    def log_tail(self) -> None:
        """Log the last lines once more, as errors: the worker ended, and they may say why."""
        for line in self._tail:
            log.error("%s: %s", self._name, line)
        self._tail.clear()

    def close(self) -> None:
        """Read the rest of the output, and stop reading."""
        if self._fd < 0:
            return
        while self._read():
            pass
        self._on_data(b"\n")
        self._end_trace()
        self._log_omitted()
        self._close_fd()

    def _read(self) -> bool:
        """Read once. Return whether there may be more."""
        if self._fd < 0:
            return False
        data = b""
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            self._close_fd()
            return False
        if not data:
            # The event loop would call again and again for a pipe whose other end is closed.
            asyncio.get_running_loop().remove_reader(self._fd)
            return False
        self._on_data(data)
        return True

    def _close_fd(self) -> None:
        fd, self._fd = self._fd, -1
        with contextlib.suppress(RuntimeError):  # the loop has ended
            asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)

    def _on_data(self, data: bytes) -> None:
        # Progress bars end their lines with a carriage return.
        *lines, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        self._rest = rest[-_MAX_LENGTH:]
        for line in lines:
            self._on_line(line[:_MAX_LENGTH].decode("utf-8", "backslashreplace").rstrip())

    def _on_line(self, line: str) -> None:
        if self._trace:
            self._trace.append(line)
            # The first line that is not indented names the exception, and ends the traceback.
            if (line and not line.startswith(" ")) or len(self._trace) >= _MAX_TRACE_LINES:
                self._end_trace()
        elif line == _TRACE_START:
            self._trace.append(line)
        elif line:
            self._tail.append(line)
            self._start_window_if_due()
            self._lines += 1
            if self._lines <= _LINES_PER_WINDOW:
                log.debug("%s: %s", self._name, line)

    def _end_trace(self) -> None:
        trace, self._trace = self._trace, []
        if not trace:
            return
        self._tail.clear()  # the traceback says why
        self._start_window_if_due()
        self._traces += 1
        if self._traces <= _TRACES_PER_WINDOW:
            log.error("%s:\n%s", self._name, "\n".join(trace))

    def _start_window_if_due(self) -> None:
        if (now := self._clock()) > self._window_end:
            self._log_omitted()
            self._window_end = now + _WINDOW_SECONDS
            self._lines = self._traces = 0

    def _log_omitted(self) -> None:
        if self._lines > _LINES_PER_WINDOW:
            log.debug("%s: ... and %d lines more", self._name, self._lines - _LINES_PER_WINDOW)
        if self._traces > _TRACES_PER_WINDOW:
            log.error("%s: ... and %d tracebacks more", self._name, self._traces - _TRACES_PER_WINDOW)
