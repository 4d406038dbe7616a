"""Checks whether a root answers; a hung file system blocks only the thread that calls it.

A call on a network share whose server is gone never returns and cannot be cancelled. So each call runs on its own
thread, at most one for each root, and the caller waits only for a limited time. The thread of a hung call is abandoned.
"""

from __future__ import annotations

import errno
import os
import threading


class HangProbe:
    """Reads the identity of roots. A root that does not answer within `seconds` counts as unreadable."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._calls: dict[str, _StatCall] = {}

    def identity(self, root: str) -> tuple[int, int]:
        """Return device and inode of `root`. Raises OSError, with ETIMEDOUT if it does not answer."""
        while True:
            with self._lock:
                call = self._calls.get(root)
                mine = call is None or call.finished.is_set()
                if call is None or mine:
                    call = self._calls[root] = _StatCall(root)
                    call.start()
            if not call.finished.wait(self._seconds):
                raise TimeoutError(errno.ETIMEDOUT, "it does not answer", root)
            if mine:  # the result of an earlier call may be older than the reason for this one
                with self._lock:
                    if self._calls.get(root) is call:
                        del self._calls[root]
                call.join()
                return call.result()


class _StatCall(threading.Thread):
    def __init__(self, root: str) -> None:
        super().__init__(name=f"stat of {root}", daemon=True)
        self._root = root
        self._identity = (0, 0)
        self._error: OSError | None = None
        self.finished = threading.Event()

    def run(self) -> None:
        try:
            status = os.stat(self._root)  # noqa: PTH116 - a str stays a str
            self._identity = (status.st_dev, status.st_ino)
        except OSError as error:
            self._error = error
        self.finished.set()

    def result(self) -> tuple[int, int]:
        if self._error is not None:
            raise self._error
        return self._identity
