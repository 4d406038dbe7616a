"""Embeds photos that are not in the library, for `like:`.

The daemon opens the file and sends its bytes to a separate worker: not to the image worker, which may be paused, and
not to the text worker, which a hostile picture must not crash. That worker may read no file at all.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache

from phsearch.domain.types import Fingerprint
from phsearch.errors import ModelMismatchError, UnreadableImageError
from phsearch.safe_open import read_whole
from phsearch.service.threads import TimeoutExecutor
from phsearch.service.workers import frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.types import ModelIdentity, Vectors
    from phsearch.service.workers.command import WorkerInfo
    from phsearch.service.workers.on_demand import OnDemandWorker

MAX_CONCURRENT = 2
"""Photos whose bytes are in memory: the one that is decoded and the next."""

_DISK_TIMEOUT = 10.0
_MAX_STALLED = 16
_MAX_BYTES = 256 << 20
"""The bytes of one photo that the daemon itself holds in memory; the index worker has safe_open.largest_photo."""
_REMEMBERED = 100
_LENGTH_TOLERANCE = 1e-2
_NO_PICTURE = "cannot be used: there is no such file, it may not be read, or it is not a photo"
_TEMPORARY = ("/tmp/", "/var/tmp/")  # noqa: S108 - where a service may have private folders


class ImageQueryEmbedder:
    """Path -> vector, remembered while the file stays the same.

    `bound` returns the model of the index. Whoever may ask must not learn which files there are and what is in them:
    of a path outside the library (`in_library`) that leads to no picture (`is_picture`, by its bytes), all that is told
    is that.
    """

    def __init__(
        self,
        *,
        worker: OnDemandWorker,
        bound: Callable[[], ModelIdentity | None],
        in_library: Callable[[str], bool],
        is_picture: Callable[[bytes], bool],
        disk_timeout: float = _DISK_TIMEOUT,
    ) -> None:
        self._worker = worker
        self._bound = bound
        self._in_library = in_library
        self._is_picture = is_picture
        self._disk_timeout = disk_timeout
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._stalled_dirs: dict[str, TimeoutExecutor] = {}
        self._vectors: LRUCache[tuple[ModelIdentity | None, str, Fingerprint], Vectors] = LRUCache(_REMEMBERED)

    async def image_vector(self, path: str) -> Vectors:
        """Return the [dim] unit vector of the photo in a file. Raises UnreadableImageError with its path and why."""
        data = b""
        try:
            async with self._slots:
                fingerprint, data = await self._disk_of(path).run(read_regular_file, path)
                key = self._bound(), path, fingerprint
                if (known := self._vectors.get(key)) is not None:
                    return known
                header = {"op": "look", "path": path}
                vector = await self._worker.request(header, data, partial(_vector_of_answer, key[0]))
        except (OSError, UnreadableImageError) as error:
            if not (self._in_library(path) or self._is_picture(data)):
                raise UnreadableImageError(f"{path} {_NO_PICTURE}", _hint(path)) from None
            if isinstance(error, UnreadableImageError):
                raise UnreadableImageError(f"{path} is of no use for like: {error}", "take another photo") from None
            raise UnreadableImageError(f"{path} cannot be read: {_reason(error)}", _hint(path)) from None
        self._vectors[key] = vector
        return vector

    def _disk_of(self, path: str) -> TimeoutExecutor:
        """Return the executor for a file. A folder that stalled fails at once and delays no other folder."""
        self._stalled_dirs = {folder: disk for folder, disk in self._stalled_dirs.items() if disk.stalled}
        folder = posixpath.dirname(path)
        if len(self._stalled_dirs) >= _MAX_STALLED:  # each holds a thread
            folder = next(iter(self._stalled_dirs))
        if (known := self._stalled_dirs.get(folder)) is not None:
            return known
        return TimeoutExecutor(
            "like", self._disk_timeout, on_hang=lambda disk: self._stalled_dirs.update({folder: disk})
        )


def read_regular_file(
    tick: Callable[[], None], path: str, root: str | None = None, max_bytes: int = _MAX_BYTES
) -> tuple[Fingerprint, bytes]:
    """Return the fingerprint and the content of a regular file; arguments and errors as of safe_open.read_whole."""
    status, data = read_whole(path, limit=max_bytes, root=root, progress=tick)
    return Fingerprint.of(status), data


def _vector_of_answer(bound: ModelIdentity | None, ready: WorkerInfo, answer: frames.Frame) -> Vectors:
    """Return the vector in an answer. Raises ModelMismatchError, or ValueError if there is none."""
    if ready.identity != bound:
        raise ModelMismatchError("the model has changed since the photos were indexed", "restart the daemon")
    vector: Vectors = frames.vectors_from_bytes(answer[1], 1)[0]
    if len(vector) != ready.identity.dim or not abs(np.linalg.norm(vector) - 1) < _LENGTH_TOLERANCE:
        raise ValueError("no unit vector")
    return vector


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _hint(path: str) -> str:
    if path.startswith(_TEMPORARY) and os.environ.get("INVOCATION_ID"):
        return "a service has a /tmp of its own: copy the photo to your home folder first"
    return "give the path of a photo, in the library or anywhere else"
