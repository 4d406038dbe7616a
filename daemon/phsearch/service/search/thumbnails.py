"""Small pictures of the library's photos, for whoever shows them: a terminal today.

Decoded in a worker of their own, which needs no model and may read no file; those shown last are kept in memory.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.errors import OutsideLibraryError, UnreadableImageError
from phsearch.service.search.image_query import MAX_CONCURRENT, read_regular_file
from phsearch.service.threads import TimeoutExecutor
from phsearch.wire import framing

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.library import Library
    from phsearch.service.workers.frames import Frame
    from phsearch.service.workers.on_demand import OnDemandWorker
    from phsearch.service.workers.process import WorkerInfo

_PATIENCE = 10.0
_KEPT_BYTES = 32 << 20
_LARGEST = (framing.MAX_LINE - 65536) * 3 // 4
"""Bytes: in base64 a third more, and a path may take six characters a byte."""

_SOUND = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    # It goes to a terminal as it is: a decoder that was taken over must not drive that.
    "sixel": re.compile(rb"\x1bP0;1;0q[\x21-\x7e]*\x1b\\\Z"),
}


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """An encoded picture, upright."""

    width: int
    height: int
    data: bytes


class Thumbnails:
    """Path and size -> picture; `follow` says whether photos may be links."""

    def __init__(self, worker: OnDemandWorker, library: Library, follow: Callable[[], bool]) -> None:
        self._worker = worker
        self._library = library
        self._follow = follow
        self._room = asyncio.Semaphore(MAX_CONCURRENT)
        self._disks: dict[str, TimeoutExecutor] = {}
        self._kept: OrderedDict[tuple[bytes, int, int, str], Thumbnail] = OrderedDict()
        self._bytes = 0

    async def get(self, path: str, width: int, height: int, form: str) -> Thumbnail:
        """Give a picture of at most this size. Raises OutsideLibraryError, UnreadableImageError with the reason."""
        photo = self._library.get(path)
        if photo is None:
            raise OutsideLibraryError(f"{path} is no photo of the library", "`phsearch-client why PATH` says more")
        key = photo.digest, width, height, form
        if (known := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return known
        disk = self._disks.setdefault(photo.root, TimeoutExecutor(f"pictures of {photo.root}", _PATIENCE))
        root = None if self._follow() else photo.root
        try:
            async with self._room:
                fingerprint, data = await disk.run(read_regular_file, path, root)
                made = await self._made(path, data, width, height, form)
        except OSError as error:
            raise UnreadableImageError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
        except UnreadableImageError as error:
            raise UnreadableImageError(f"{path} cannot be shown: {error}") from None
        if fingerprint == photo.fingerprint:  # or what was read is another photo than the digest's
            self._keep(key, made)
        return made

    async def _made(self, path: str, data: bytes, width: int, height: int, form: str) -> Thumbnail:
        """Have it made, smaller than asked for if it would not fit into a line of the protocol."""

        def understood(_ready: WorkerInfo, answer: Frame) -> Thumbnail:
            match answer:
                case ({"width": int(wide), "height": int(high)}, picture) if (
                    0 < wide <= width and 0 < high <= height and _SOUND[form].match(picture)
                ):
                    return Thumbnail(wide, high, picture)
            raise ValueError("no picture")

        while True:
            header = {"op": "thumbnail", "path": path, "width": width, "height": height, "format": form}
            made = await self._worker.request(header, data, understood)
            if len(made.data) <= _LARGEST:
                return made
            width, height = (max(side * 3 // 4, 1) for side in (made.width, made.height))
            if width == height == 1:
                raise UnreadableImageError("it cannot be made small")

    def _keep(self, key: tuple[bytes, int, int, str], made: Thumbnail) -> None:
        if (same := self._kept.pop(key, None)) is not None:  # asked for twice at once
            self._bytes -= len(same.data)
        self._kept[key] = made
        self._bytes += len(made.data)
        while self._bytes > _KEPT_BYTES:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= len(gone.data)
