"""What a pipeline asks of its root's disk. No call blocks the event loop, and each fails when the disk hangs."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phsearch.domain.indexing.failure_kind import ReadFailure
from phsearch.domain.types import ContentDigest, NotAFile, OtherPath, PhotoFile
from phsearch.errors import UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.safe_open import DigestReader
    from phsearch.service.threads import TimeoutExecutor

_TURN_SECONDS = 0.5
_MOST_SLOW = 4
"""Files that take turns: on a disk that is slow for every file more would only make it slower."""


@dataclass(frozen=True, slots=True)
class SlowRead:
    """A file that takes longer than its turn, and is read on when it has the next one."""


Seen = PhotoFile | NotAFile | OtherPath | OSError | None
"""The result of a stat: None where there is nothing, an OSError where nothing can be said."""

Content = ContentDigest | SlowRead | ReadFailure | None
"""The result of a read: None where the file is gone or changed while it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskReader:
    """Reads files in the threads of `executor`; `stat_all` calls its `tick` as it makes progress."""

    executor: TimeoutExecutor
    stat_all: Callable[[Callable[[], None], list[str]], list[tuple[str, Seen]]]
    open_file: Callable[[str], DigestReader]
    _slow: dict[str, DigestReader] = field(default_factory=dict)

    async def stat_paths(self, paths: list[str]) -> list[tuple[str, Seen]]:
        """Stat files now."""
        try:
            return await self.executor.run(self.stat_all, paths)
        except OSError as error:
            return [(path, error) for path in paths]

    async def digest_path(self, path: str) -> ContentDigest | None:
        """Read one file now and return its digest. Raises OSError, UnreadableImageError."""
        return await self.executor.run(self._digest, path)

    async def digest_paths(self, paths: list[str]) -> list[tuple[str, Content]]:
        """Read files now, one after the other, for a moment. Return what came of the first ones, at least of one."""
        try:
            return await self.executor.run(self._digest_some, paths)
        except OSError as error:
            return [(path, ReadFailure.of(error)) for path in paths]

    def close(self) -> None:
        """Close the files that are half read."""
        while self._slow:
            self._slow.popitem()[1].close()

    def _digest(self, tick: Callable[[], None], path: str) -> ContentDigest | None:
        reader = self.open_file(path)
        try:
            reader.read_for(math.inf, tick)
            return reader.result()
        finally:
            reader.close()

    def _digest_some(self, tick: Callable[[], None], paths: list[str]) -> list[tuple[str, Content]]:
        until = time.monotonic() + _TURN_SECONDS
        contents: list[tuple[str, Content]] = []
        for path in paths:
            if contents and time.monotonic() >= until:
                break
            try:
                contents.append((path, self._read_on(path, tick)))
            except FileNotFoundError:
                contents.append((path, None))
            except (UnreadableImageError, OSError) as error:
                contents.append((path, ReadFailure.of(error)))
        return contents

    def _read_on(self, path: str, tick: Callable[[], None]) -> ContentDigest | SlowRead | None:
        reader = self._slow.pop(path, None) or self.open_file(path)
        finished = True
        try:
            finished = reader.read_for(math.inf if len(self._slow) >= _MOST_SLOW else _TURN_SECONDS, tick)
            return reader.result() if finished else SlowRead()
        finally:
            if finished:
                reader.close()
            else:
                self._slow[path] = reader
