"""The second question: is every file the one that was indexed, by its size and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from phsearch.domain.types import PhotoFile
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

GRACE = 1.5
"""Seconds after which what happened on the disk has been heard of: it is pending, or its root is offline."""

_LOOKS = 256
_SCAN_SECONDS = 60.0


class FileCheck:
    """Looks at all photos of the roots that are there."""

    def __init__(
        self,
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
        """Tell whether the root of a path is not there now."""
        monitor = self._monitor(path)
        return monitor is None or monitor.offline(path)

    async def scanned(self) -> None:
        """Wait a while for scans under way: they will find what changed while nobody watched."""
        for _ in range(round(_SCAN_SECONDS / GRACE)):
            if not any(monitor.busy for monitor in self._monitors.values()):
                return
            await asyncio.sleep(GRACE)

    async def check(self, photos: Sequence[Photo], findings: Report) -> list[Photo]:
        """Compare photos with their files; gives those that are as they were."""
        sound: list[Photo] = []
        doubtful: list[Photo] = []
        for start in range(0, len(photos), _LOOKS):
            chunk = photos[start : start + _LOOKS]
            for photo, mismatch in await self._look_all(chunk):
                (sound if mismatch is None else doubtful).append(photo)
        findings.checked += len(sound)
        if doubtful:
            await asyncio.sleep(GRACE)
            for photo, mismatch in await self._look_all(doubtful):
                self._judge(photo, mismatch, findings)
        return sound

    def _judge(self, photo: Photo, mismatch: Mismatch | None, findings: Report) -> None:
        if mismatch is not None and self._unsure(photo.path):
            findings.not_checked += 1
            return
        findings.checked += 1
        pipeline = self._router.pipeline_of(photo.path)
        pending = pipeline is not None and pipeline.stage_of(photo.path) is not None
        noticed = self._library.get(photo.path) is not photo or pending
        if mismatch is not None and not noticed:
            findings.mismatches.append(mismatch)

    async def _look_all(self, photos: Sequence[Photo]) -> list[tuple[Photo, Mismatch | None]]:
        seen = dict(await self._router.stat_paths([photo.path for photo in photos]))
        return [(photo, _compared(photo, seen.get(photo.path))) for photo in photos]

    def _unsure(self, path: str) -> bool:
        """Tell whether a change of this file may go unseen for a while without anything being wrong."""
        monitor = self._monitor(path)
        return monitor is None or monitor.offline(path) or monitor.busy or bool(monitor.unwatched_reason)

    def _monitor(self, path: str) -> RootMonitor | None:
        root = self._roots.root_of(path)
        return None if root is None else self._monitors.get(root)


def _compared(photo: Photo, seen: Seen) -> Mismatch | None:
    """Compare a photo with a look at its file; None where it is as it was indexed."""
    match seen:
        case PhotoFile(_, fingerprint) if fingerprint == photo.fingerprint:
            return None
        case None:
            return Mismatch(photo.path, "file missing", "the file is gone and nothing has noticed")
        case OSError():
            return Mismatch(photo.path, "unreadable", f"cannot be looked at: {seen.strerror}")
        case _:
            return Mismatch(photo.path, "file changed", "size or time of the file changed and nothing has noticed")
