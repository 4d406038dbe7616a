"""The inotify reader, and what it is asked to tell.

The masks leave out open, access and close-without-write: our own reading makes no events at all. A change of attributes
is a new time or a new permission, both of which decide whether a photo is as it was indexed.
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
    """watchdog's reader thread, which says so when it dies, and which can mark a moment among its events.

    A descriptor's events come in the order they happened (inotify(7)), so whoever sees an event of his own has been
    told all that happened before it: watchman makes a "cookie" file for that. We need no file. The end of a watch is
    an event, too (IN_IGNORED), so a watch on a nameless file in memory is begun and ended: that works as well on a
    full disk, and no folder has to be kept clean.
    """

    def __init__(self, on_death: Callable[[Exception], None], on_mark: Callable[[int], None] = lambda _: None) -> None:
        super().__init__()
        self._on_death = on_death
        self._on_mark = on_mark
        self._marks: dict[WatchDescriptor, int] = {}

    def mark(self, token: int) -> None:
        """Have `on_mark` called by the reader when it has handed on all that happened before now. Raises OSError."""
        file = os.memfd_create("phsearch-mark")
        try:
            callback = CallbackId(0)
            wd = self.add_callback(b"/proc/self/fd/%d" % file, Mask(_IN.IN_DELETE_SELF), _NullCallback(), callback)
            self._marks[wd] = token
            self.remove_callbacks([(wd, callback)])
        finally:
            os.close(file)

    def marks(self) -> list[int]:
        """Give up all marks that are still to be met."""
        given = []
        while self._marks:
            given.append(self._marks.popitem()[1])
        return given

    def handle_event(self, event: InotifyEvent) -> None:
        """Hand an event on, or notice that it is a mark's."""
        if event.is_ignored and (token := self._marks.pop(event.wd, None)) is not None:
            self._on_mark(token)
        else:
            super().handle_event(event)

    def run(self) -> None:
        """Read and hand on events until stopped."""
        try:
            super().run()
        except Exception as error:
            log.exception("the inotify reader died")
            self._on_death(error)


class NullInotify:
    """In the reader's place where the system gives no inotify instance: nothing can be watched, for that reason."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def add_callback(self, _path: bytes, _mask: Mask, _callback: WatchCallback, _id: CallbackId) -> WatchDescriptor:
        """Raise OSError."""
        raise self._error

    def mark(self, _token: int) -> None:
        """Raise OSError."""
        raise self._error

    def remove_callbacks(self, callbacks: list[tuple[WatchDescriptor, CallbackId]]) -> None:
        """Remove nothing: there was none."""

    def marks(self) -> list[int]:
        """Give none."""
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
