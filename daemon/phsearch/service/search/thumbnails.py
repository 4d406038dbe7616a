"""Small pictures of the library's photos, for clients that show them, such as a terminal.

A separate worker makes them: it needs no model and may read no file. Recent pictures are kept in memory.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachetools import LRUCache

from phsearch.errors import OutsideLibraryError, UnreadableImageError
from phsearch.service.search.image_query import MAX_CONCURRENT, read_regular_file
from phsearch.service.threads import TimeoutExecutor
from phsearch.wire import framing

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.library import Library
    from phsearch.service.workers.command import WorkerInfo
    from phsearch.service.workers.frames import Frame
    from phsearch.service.workers.on_demand import OnDemandWorker

_DISK_TIMEOUT = 10.0
_CACHE_BYTES = 32 << 20
_MAX_BYTES = (framing.MAX_LINE - 65536) * 3 // 4
"""Base64 adds a third, and a path may take six characters a byte."""

_VALID = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    # A sixel goes to a terminal as it is: a compromised decoder must not control that terminal.
    "sixel": re.compile(rb"\x1bP0;1;0q[\x21-\x7e]*\x1b\\\Z"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """An encoded picture, upright."""

    width: int
    height: int
    data: bytes


class Thumbnails:
    """Makes pictures and caches them; `follow` returns whether photos may be links."""

    def __init__(
        self, *, worker: OnDemandWorker, library: Library, follow: Callable[[], bool], cache_bytes: int = _CACHE_BYTES
    ) -> None:
        self._worker = worker
        self._library = library
        self._follow = follow
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._disks: dict[str, TimeoutExecutor] = {}
        self._cache: LRUCache[tuple[bytes, int, int, str], Thumbnail] = LRUCache(
            cache_bytes, lambda thumbnail: len(thumbnail.data)
        )

    async def get(self, path: str, width: int, height: int, form: str) -> Thumbnail:
        """Return a picture of at most this size. Raises OutsideLibraryError, UnreadableImageError with the reason."""
        photo = self._library.get(path)
        if photo is None:
            raise OutsideLibraryError(f"{path} is no photo of the library", "`phsearch-client why PATH` says more")
        key = photo.digest, width, height, form
        if (known := self._cache.get(key)) is not None:
            return known
        disk = self._disks.setdefault(photo.root, TimeoutExecutor(f"pictures of {photo.root}", _DISK_TIMEOUT))
        root = None if self._follow() else photo.root
        try:
            async with self._slots:
                fingerprint, data = await disk.run(read_regular_file, path, root)
                thumbnail = await self._make(path, data, width, height, form)
        except OSError as error:
            raise UnreadableImageError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
        except UnreadableImageError as error:
            raise UnreadableImageError(f"{path} cannot be shown: {error}") from None
        if fingerprint == photo.fingerprint:  # otherwise the file is another photo than the digest's
            self._cache[key] = thumbnail
        return thumbnail

    async def _make(self, path: str, data: bytes, width: int, height: int, form: str) -> Thumbnail:
        """Return a picture by the worker, smaller than requested if it would not fit into a line of the protocol."""

        def checked(_ready: WorkerInfo, answer: Frame) -> Thumbnail:
            match answer:
                case ({"width": int(actual_width), "height": int(actual_height)}, picture) if (
                    0 < actual_width <= width and 0 < actual_height <= height and _VALID[form].match(picture)
                ):
                    return Thumbnail(width=actual_width, height=actual_height, data=picture)
            raise ValueError("no picture")

        while True:
            header = {"op": "thumbnail", "path": path, "width": width, "height": height, "format": form}
            thumbnail = await self._worker.request(header, data, checked)
            if len(thumbnail.data) <= _MAX_BYTES:
                return thumbnail
            width, height = (max(side * 3 // 4, 1) for side in (thumbnail.width, thumbnail.height))
            if width == height == 1:
                raise UnreadableImageError("it cannot be made small")
