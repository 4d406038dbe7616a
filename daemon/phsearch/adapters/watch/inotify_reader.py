"""The inotify reader, and the events it asks for.

The masks leave out open, access and close-without-write, so our own reading causes no events at all. A change of
attributes is a new time or a new permission, and both decide whether a photo is still as it was indexed.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyFD, Mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.inotify_c import InotifyEvent, WatchCallback, WatchDescriptor

log = logging.getLogger(__name__)

_IN = InotifyConstants
FOLDER_MASK = (
    _IN.IN_CREATE | _IN.IN_CLOSE_WRITE | _IN.IN_ATTRIB | _IN.IN_MOVE | _IN.IN_DELETE
    | _IN.IN_ONLYDIR | _IN.IN_EXCL_UNLINK | _IN.IN_MASK_ADD
)  # fmt: skip
ROOT_MASK = FOLDER_MASK | _IN.IN_DELETE_SELF | _IN.IN_MOVE_SELF


class Inotify(InotifyFD):
    """watchdog's reader thread, which also reports its own failure and can put marks between its events.

    The events of a descriptor come in the order in which they happened (inotify(7)). So a process that sees an event of
    its own has seen everything before it. watchman makes a "cookie" file for that; we need no file. The end of a watch
    is an event, too (IN_IGNORED), so a watch on a nameless file in memory is added and removed. That works on a full
    disk as well, and no folder has to be kept clean.
    """

    def __init__(
        self, on_failure: Callable[[Exception], None], on_mark: Callable[[int], None] = lambda _: None
    ) -> None:
        super().__init__()
        self._on_failure = on_failure
        self._on_mark = on_mark
        self._marks: dict[WatchDescriptor, int] = {}

    def mark(self, token: int) -> None:
        """Make the reader call `on_mark` after it has passed on everything that happened before now. Raises OSError."""
        file = os.memfd_create("phsearch-mark")
        try:
            callback = CallbackId(0)
            wd = self.add_callback(b"/proc/self/fd/%d" % file, Mask(_IN.IN_DELETE_SELF), _NullCallback(), callback)
            self._marks[wd] = token
            self.remove_callbacks([(wd, callback)])
        finally:
            os.close(file)

    def take_marks(self) -> list[int]:
        """Return all marks that are not reached yet, and forget them."""
        taken = []
        while self._marks:
            taken.append(self._marks.popitem()[1])
        return taken

    def handle_event(self, event: InotifyEvent) -> None:
        """Pass an event on, or call `on_mark` if it is that of a mark."""
        if event.is_ignored and (token := self._marks.pop(event.wd, None)) is not None:
            self._on_mark(token)
        else:
            super().handle_event(event)

    def run(self) -> None:
        """Read events and pass them on until stopped."""
        try:
            super().run()
        except Exception as error:
            log.exception("the inotify reader died")
            self._on_failure(error)


class NullInotify:
    """Takes the reader's place if the system grants no inotify instance; every watch fails with that error."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def add_callback(self, _path: bytes, _mask: Mask, _callback: WatchCallback, _id: CallbackId) -> WatchDescriptor:
        """Raise OSError."""
        raise self._error

    def mark(self, _token: int) -> None:
        """Raise OSError."""
        raise self._error

    def remove_callbacks(self, callbacks: list[tuple[WatchDescriptor, CallbackId]]) -> None:
        """Do nothing, since no callback was added."""

    def take_marks(self) -> list[int]:
        """Return no marks."""
        return []

    def stop(self) -> None:
        """Do nothing."""

    def join(self, timeout: float | None = None) -> None:
        """Do nothing."""


class _NullCallback:
    def on_event(self, event: InotifyEvent) -> None:
        pass

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        pass

    def on_queue_overflow(self) -> None:
        pass
