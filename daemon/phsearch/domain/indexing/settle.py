"""Wait until a file stops changing before reading it.

A camera import or a download writes a photo in pieces, and reading it early costs a failed decode. A file is settled
when two stats at least `quiet` seconds apart show the same size and time. A writer that closed the file, or a rename
into place, shows that it is complete. Then one stat after a short time is enough.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phsearch.domain.types import Fingerprint

CLOSED_SHARE = 0.2
"""The part of `quiet` to wait after a close: programs often reopen a file at once, for example to write its EXIF."""


@dataclass(slots=True)
class _Waiting:
    due: float
    closed: bool
    seen: Fingerprint | None
    stating: bool = False


class Debouncer:
    """Files that changed lately, each with the time of its next stat."""

    def __init__(self, quiet: float) -> None:
        self.quiet = quiet
        self._waiting: dict[str, _Waiting] = {}
        self._queue: list[tuple[float, str]] = []
        """A heap of all times at which a file was to be due; only the last one of a file counts."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, path: str) -> bool:
        return path in self._waiting

    def path_changed(self, path: str, now: float, *, closed: bool) -> None:
        """Note that `path` changed at `now` (seconds of a monotonic clock)."""
        self._wait(path, _Waiting(now + self._delay(closed=closed), closed, None))

    def drop_path(self, path: str) -> None:
        """Forget `path`."""
        self._waiting.pop(path, None)

    def paths(self) -> list[str]:
        """Return all paths that wait."""
        return list(self._waiting)

    def due(self, now: float, most: int) -> list[str]:
        """Return at most so many files that are due for a stat at `now`, each once: it has to be made."""
        due: dict[str, None] = {}
        while len(due) < most and (first := self.next_due()) is not None and first <= now:
            due[heapq.heappop(self._queue)[1]] = None
        return list(due)

    def begin_stat(self, paths: Iterable[str]) -> None:
        """Note that a stat of these files begins now."""
        for path in paths:
            if waiting := self._waiting.get(path):
                waiting.stating = True

    def is_stating(self, path: str) -> bool:
        """Whether a stat of `path` is under way and nothing has happened to it since that began."""
        waiting = self._waiting.get(path)
        return waiting is not None and waiting.stating

    def next_due(self) -> float | None:
        """Return the time of the next stat that `due` has not returned, None when there is none."""
        while self._queue:
            due, path = self._queue[0]
            waiting = self._waiting.get(path)
            if waiting is not None and waiting.due == due:
                return due
            heapq.heappop(self._queue)
        return None

    def stat_done(self, path: str, seen: Fingerprint, mtime_age: float, now: float) -> bool:
        """Note what a stat has `seen` at `path`; return whether it is settled, so that it does not wait any more.

        `mtime_age` is how many seconds ago the file was written by its own time. An old file needs no second stat.
        """
        waiting = self._waiting.get(path)
        if waiting is None:
            return False
        if waiting.closed or seen == waiting.seen or mtime_age >= self.quiet:
            del self._waiting[path]
            return True
        self._wait(path, _Waiting(now + self.quiet, waiting.closed, seen))
        return False

    def _wait(self, path: str, waiting: _Waiting) -> None:
        self._waiting[path] = waiting
        heapq.heappush(self._queue, (waiting.due, path))

    def _delay(self, *, closed: bool) -> float:
        return self.quiet * CLOSED_SHARE if closed else self.quiet / 2
