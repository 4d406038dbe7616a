"""The inotify reader, and what it is asked to tell.

The masks leave out open, access, close-without-write and attributes: our own reading makes no events at all.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from watchdog.observers.inotify_c import InotifyConstants, InotifyFD

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_IN = InotifyConstants
FOLDER_MASK = (
    _IN.IN_CREATE | _IN.IN_CLOSE_WRITE | _IN.IN_MOVE | _IN.IN_DELETE
    | _IN.IN_ONLYDIR | _IN.IN_EXCL_UNLINK | _IN.IN_MASK_ADD
)  # fmt: skip
ROOT_MASK = FOLDER_MASK | _IN.IN_DELETE_SELF | _IN.IN_MOVE_SELF


class Inotify(InotifyFD):
    """watchdog's reader thread, which says so when it dies."""

    def __init__(self, on_death: Callable[[Exception], None]) -> None:
        super().__init__()
        self._on_death = on_death

    def run(self) -> None:
        """Read and hand on events until stopped."""
        try:
            super().run()
        except Exception as error:
            log.exception("the inotify reader died")
            self._on_death(error)
