"""Tells when names in one folder come or go, by an inotify descriptor of its own (inotify(7))."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import Self

from watchdog.observers.inotify_c import InotifyConstants

_MASK = (
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
)
_READ_BYTES = 1 << 16


class FolderChanges:
    """Watches a folder from the time it is made until its context ends. Raises OSError if that is not possible."""

    def __init__(self, folder: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = _checked(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), folder)
        try:
            _checked(libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _MASK), folder)
        except OSError:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        """Return the descriptor, which is readable after a change."""
        return self._descriptor

    def drain(self) -> None:
        """Forget the changes so far."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._descriptor, _READ_BYTES):
                pass


def _checked(result: int, folder: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), folder)
    return result
