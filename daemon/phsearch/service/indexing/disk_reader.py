"""What a pipeline asks of its root's disk. No call blocks the event loop, and each fails when the disk hangs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.types import ContentDigest, NotAFile, OtherPath, PhotoFile
from phsearch.errors import UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.service.threads import TimeoutExecutor

Seen = PhotoFile | NotAFile | OtherPath | OSError | None
"""The result of a stat: None where there is nothing, an OSError where nothing can be said."""

Content = ContentDigest | UnreadableImageError | OSError | None
"""The result of a read: None where the file is gone or changed while it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskReader:
    """Reads files in the threads of `executor`; `stat_all` and `digest` call their `tick` as they make progress."""

    executor: TimeoutExecutor
    stat_all: Callable[[Callable[[], None], list[str]], list[tuple[str, Seen]]]
    digest: Callable[[str, Callable[[], None]], ContentDigest | None]

    async def stat_paths(self, paths: list[str]) -> list[tuple[str, Seen]]:
        """Stat files now."""
        try:
            return await self.executor.run(self.stat_all, paths)
        except OSError as error:
            return [(path, error) for path in paths]

    async def digest_path(self, path: str) -> ContentDigest | None:
        """Read one file now and return its digest. Raises OSError, UnreadableImageError."""
        return await self.executor.run(lambda tick: self.digest(path, tick))

    async def digest_paths(self, paths: list[str]) -> list[tuple[str, Content]]:
        """Read files now, one after the other."""
        try:
            return await self.executor.run(self._digest_all, paths)
        except OSError as error:
            return [(path, error) for path in paths]

    def _digest_all(self, tick: Callable[[], None], paths: list[str]) -> list[tuple[str, Content]]:
        contents: list[tuple[str, Content]] = []
        for path in paths:
            try:
                contents.append((path, self.digest(path, tick)))
            except FileNotFoundError:
                contents.append((path, None))
            except (UnreadableImageError, OSError) as error:
                contents.append((path, error))
        return contents
