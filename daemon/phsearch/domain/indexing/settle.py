"""Wait until a file stops changing before reading it.

A camera import or a download writes a photo in pieces; reading it early costs a failed decode. A file is settled when
two looks at least `quiet` seconds apart show the same size and time. A writer that closed the file, or a rename into
place, promises that it is whole, so that one short look is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phsearch.domain.types import Fingerprint

CLOSED_SHARE = 0.2
"""The part of `quiet` to wait after a close: programs often reopen a file at once, e.g. to write its EXIF."""


@dataclass(slots=True)
class _Waiting:
    due: float
    closed: bool
    seen: Fingerprint | None
    looking: bool = False


class Debouncer:
    """Files that were touched lately, each with the time it deserves its next look."""

    def __init__(self, quiet: float) -> None:
        self.quiet = quiet
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, path: str) -> bool:
        return path in self._waiting

    def path_changed(self, path: str, now: float, *, closed: bool) -> None:
        """Note that `path` changed at `now` (seconds of a monotonic clock)."""
        self._waiting[path] = _Waiting(now + self._delay(closed=closed), closed, None)

    def drop_path(self, path: str) -> None:
        """Forget `path`."""
        self._waiting.pop(path, None)

    def paths(self) -> list[str]:
        """Give everything that waits."""
        return list(self._waiting)

    def due(self, now: float) -> list[str]:
        """Give the files that deserve a look at `now`."""
        return [path for path, waiting in self._waiting.items() if waiting.due <= now]

    def begin_stat(self, paths: Iterable[str]) -> None:
        """Note that a look at these files begins now."""
        for path in paths:
            if waiting := self._waiting.get(path):
                waiting.looking = True

    def is_stating(self, path: str) -> bool:
        """Tell whether a look at `path` is under way and nothing has happened to it since that began."""
        waiting = self._waiting.get(path)
        return waiting is not None and waiting.looking

    def next_due(self) -> float | None:
        """Give the time of the next look, None when nothing waits."""
        return min((waiting.due for waiting in self._waiting.values()), default=None)

    def stat_done(self, path: str, seen: Fingerprint, mtime_age: float, now: float) -> bool:
        """Take the look `seen` at `path`; True says it is settled and no longer waits here.

        `mtime_age` is how long ago, in seconds, the file says it was written: a file old enough needs no second look.
        """
        waiting = self._waiting.get(path)
        if waiting is None:
            return False
        if waiting.closed or seen == waiting.seen or mtime_age >= self.quiet:
            del self._waiting[path]
            return True
        waiting.seen = seen
        waiting.due = now + self.quiet
        waiting.looking = False
        return False

    def _delay(self, *, closed: bool) -> float:
        return self.quiet * CLOSED_SHARE if closed else self.quiet / 2
