"""Checks whether a root answers; a hung file system blocks only the thread that calls it.

A call on a network share whose server is gone never returns and cannot be cancelled. So each call runs on its own
thread, at most one for each root, and the caller waits only for a limited time. The thread of a hung call is abandoned.
"""

from __future__ import annotations

import errno
import os
import threading

from phsearch.timing import DaemonThreads, TimedCall


class HangProbe:
    """Reads the identity of roots. A root that does not answer within `seconds` counts as unreadable."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._calls: dict[str, TimedCall[tuple[int, int]]] = {}

    def identity(self, root: str) -> tuple[int, int]:
        """Return device and inode of `root`. Raises OSError, with ETIMEDOUT if it does not answer."""
        while True:
            with self._lock:
                call = self._calls.get(root)
                is_new = call is None or call.done
                if call is None or is_new:
                    call = self._calls[root] = TimedCall(
                        lambda _progress: _identity(root), threads=DaemonThreads(f"stat of {root}", idle_seconds=0)
                    )
            if not call.wait(self._seconds):
                raise TimeoutError(errno.ETIMEDOUT, "it does not answer", root)
            if is_new:  # the answer to an earlier call may be older than the reason for this one
                with self._lock:
                    if self._calls.get(root) is call:
                        del self._calls[root]
                return call.result()


def _identity(root: str) -> tuple[int, int]:
    status = os.stat(root)  # noqa: PTH116 - a str stays a str
    return status.st_dev, status.st_ino
