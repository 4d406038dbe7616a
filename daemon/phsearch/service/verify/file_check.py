"""Second check: every file still has the size and time with which it was indexed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from phsearch.domain.types import OtherPath, PhotoFile
from phsearch.domain.verification import Mismatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phsearch.domain.library import Library
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import Photo
    from phsearch.domain.verification import Report
    from phsearch.service.indexing.disk_reader import Seen
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.monitor import RootMonitor

NOTICE_SECONDS = 1.5
"""After which a change on the disk has been noticed: it is pending, or its root is offline."""

_CHUNK = 256
_SCAN_SECONDS = 60.0


class FileCheck:
    """Compares photos of mounted roots with their files."""

    def __init__(
        self,
        *,
        library: Library,
        router: PipelineRouter,
        roots: Roots,
        monitors: Mapping[str, RootMonitor],
    ) -> None:
        self._library = library
        self._router = router
        self._roots = roots
        self._monitors = monitors

    def offline(self, path: str) -> bool:
        """Whether the root of a path is not mounted now."""
        monitor = self._monitor(path)
        return monitor is None or monitor.offline(path)

    def excuses(self, mismatch: Mismatch) -> bool:
        """Whether a mismatch of a photo may be there for a while although nothing is wrong."""
        path = mismatch.path
        return self._may_be_unnoticed(path) if mismatch.kind == "file changed" else self.offline(path)

    async def wait_for_scans(self) -> None:
        """Wait up to a minute for running scans: they find what changed while a folder was not watched."""
        for _ in range(round(_SCAN_SECONDS / NOTICE_SECONDS)):
            if not any(monitor.busy for monitor in self._monitors.values()):
                return
            await asyncio.sleep(NOTICE_SECONDS)

    async def check(self, photos: Sequence[Photo], report: Report) -> list[Photo]:
        """Compare photos with their files, and return the photos whose files are unchanged."""
        unchanged: list[Photo] = []
        changed: list[Photo] = []
        for start in range(0, len(photos), _CHUNK):
            chunk = photos[start : start + _CHUNK]
            for photo, mismatch in await self._compare_all(chunk):
                (unchanged if mismatch is None else changed).append(photo)
        report.checked += len(unchanged)
        if changed:
            await asyncio.sleep(NOTICE_SECONDS)
            for photo, mismatch in await self._compare_all(changed):
                self._report(photo, mismatch, report)
        return unchanged

    def _report(self, photo: Photo, mismatch: Mismatch | None, report: Report) -> None:
        if mismatch is not None and self._may_be_unnoticed(photo.path):
            report.not_checked += 1
            return
        report.checked += 1
        pipeline = self._router.pipeline_of(photo.path)
        pending = pipeline is not None and pipeline.stage_of(photo.path) is not None
        noticed = self._library.get(photo.path) is not photo or pending
        if mismatch is not None and not noticed:
            report.mismatches.append(mismatch)

    async def _compare_all(self, photos: Sequence[Photo]) -> list[tuple[Photo, Mismatch | None]]:
        seen = dict(await self._router.stat_paths([photo.path for photo in photos]))
        return [(photo, _mismatch(photo, seen.get(photo.path))) for photo in photos]

    def _may_be_unnoticed(self, path: str) -> bool:
        """Whether a change of this file may go unnoticed for a while although nothing is wrong."""
        monitor = self._monitor(path)
        return monitor is None or monitor.offline(path) or monitor.busy or bool(monitor.unwatched_reason)

    def _monitor(self, path: str) -> RootMonitor | None:
        root = self._roots.root_of(path)
        return None if root is None else self._monitors.get(root)


def _mismatch(photo: Photo, seen: Seen) -> Mismatch | None:
    """Return how the file differs from the indexed photo, or None if it does not."""
    match seen:
        case PhotoFile(_, fingerprint) if fingerprint == photo.fingerprint:
            return None
        case None:
            return Mismatch(photo.path, "file missing", "the file is gone and nothing has noticed")
        case OtherPath(other):
            return Mismatch(photo.path, "other name", f"its folder lists it as {other} and nothing has noticed")
        case OSError():
            return Mismatch(photo.path, "unreadable", f"cannot be looked at: {seen.strerror}")
        case _:
            return Mismatch(photo.path, "file changed", "size or time of the file changed and nothing has noticed")
