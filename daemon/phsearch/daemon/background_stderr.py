"""stderr that keeps nobody waiting: the lines are written by a thread of their own.

Whoever reads stderr may stop to: a terminal after Ctrl-S, a program at the other end of a pipe, the journal, a disk. A
line that is written directly then blocks its thread, and the event loop with it. Here lines wait up to a limit. Those
beyond it are dropped and counted, and one line in their place says how many they were.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_WAITING = 1 << 20
"""Bytes, about 10,000 lines. As many again may be under way."""
_DRAIN_SECONDS = 2.0
"""The longest wait at the end, for the last lines: they say why the daemon ends."""


@contextlib.contextmanager
def background_stderr(describe_lost: Callable[[int], str]) -> Iterator[BackgroundFile]:
    """Make `sys.stderr` a stream that never blocks, and yield its file. At the end wait a moment until it is written.

    `describe_lost` returns the line that stands for so many lines that were dropped.
    """
    encoding, errors = sys.stderr.encoding, sys.stderr.errors or "strict"
    file = BackgroundFile(sys.stderr.fileno(), lambda count: describe_lost(count).encode(encoding, errors))
    stream = io.TextIOWrapper(file, encoding, errors, write_through=True)  # type: ignore[type-var] # only what it calls
    with contextlib.redirect_stderr(stream):
        try:
            yield file
        finally:
            file.drain(_DRAIN_SECONDS)


class BackgroundFile(io.RawIOBase):
    """Writes to the file descriptor `fd` on a thread, in order."""

    def __init__(self, fd: int, describe_lost: Callable[[int], bytes]) -> None:
        self._fd = fd
        self._describe_lost = describe_lost
        self._changed = threading.Condition()  # of an RLock: a finalizer may write while its thread does
        self._waiting = bytearray()
        self._lost = 0
        self._writing = False
        threading.Thread(target=self._write_loop, name="stderr", daemon=True).start()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Let the thread write whole lines soon, or drop them."""
        with self._changed:
            # After the first that is lost so are all, until those that wait are written: the gap is in one place.
            if (self._waiting and self._lost) or len(self._waiting) + len(data) > _MAX_WAITING:
                self._lost += data.count(b"\n")
            else:
                self._waiting += data
                self._changed.notify_all()
        return len(data)

    def writable(self) -> bool:
        """Whether it can be written: always."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._fd

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._fd)

    def drain(self, seconds: float) -> None:
        """Wait until everything is written, but not for longer than `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._writing, seconds)

    def _write_loop(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                self._writing = True
                data, self._waiting = bytes(self._waiting), bytearray()
                lost, self._lost = self._lost, 0
            written = _write_all(self._fd, data + self._describe_lost(lost) if lost else data)
            if not written:
                with self._changed:
                    self._lost += lost + data.count(b"\n")


def _write_all(fd: int, data: bytes) -> bool:
    """Write data, however long that takes. Return whether that was possible."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # another program made the pipe that it shares with us non-blocking
            waiter = select.poll()
            waiter.register(fd, select.POLLOUT)
            waiter.poll()
        except OSError:  # its reader is gone, or the disk is full
            return False
    return True
