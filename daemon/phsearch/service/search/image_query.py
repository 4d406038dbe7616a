"""Understanding a photo that is not in the library, for `like:`.

The daemon opens the file and hands its bytes to a worker of its own: not to the index worker, which may be paused, and
not to the query worker, which a hostile picture must not take along. That worker may read no file at all.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.types import Fingerprint
from phsearch.errors import ModelMismatchError, UnreadableImageError
from phsearch.safe_open import open_regular
from phsearch.service.threads import TimeoutExecutor
from phsearch.service.workers import frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.types import ModelIdentity, Vectors
    from phsearch.service.workers.on_demand import OnDemandWorker
    from phsearch.service.workers.process import WorkerInfo

MAX_CONCURRENT = 2
"""Photos whose bytes are in memory, the one that is decoded and the next."""

_PATIENCE = 10.0
_MAX_STALLED = 16
_LARGEST = 256 << 20
_PIECE = 1 << 20
_REMEMBERED = 100
_UNIT = 1e-2
_PRIVATE = ("/tmp/", "/var/tmp/")  # noqa: S108 - where a service may have folders of its own


class ImageQueryEmbedder:
    """Path -> vector, for as long as the file stays the same; `bound` gives the model of the index."""

    def __init__(
        self, worker: OnDemandWorker, bound: Callable[[], ModelIdentity | None], patience: float = _PATIENCE
    ) -> None:
        self._worker = worker
        self._bound = bound
        self._patience = patience
        self._room = asyncio.Semaphore(MAX_CONCURRENT)
        self._stalled_dirs: dict[str, TimeoutExecutor] = {}
        self._known: OrderedDict[tuple[ModelIdentity | None, str, Fingerprint], Vectors] = OrderedDict()

    async def image_vector(self, path: str) -> Vectors:
        """Give the [dim] unit vector of the photo in a file. Raises UnreadableImageError, naming it and why."""
        try:
            async with self._room:
                fingerprint, data = await self._disk(path).run(read_regular_file, path)
                key = self._bound(), path, fingerprint
                if (known := self._known.get(key)) is None:
                    header = {"op": "look", "path": path}
                    known = self._known[key] = await self._worker.request(header, data, partial(_vector, key[0]))
        except OSError as error:
            raise UnreadableImageError(f"{path} cannot be read: {_reason(error)}", _hint(path)) from None
        except UnreadableImageError as error:
            raise UnreadableImageError(f"{path} is of no use for like: {error}", "take another photo") from None
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known

    def _disk(self, path: str) -> TimeoutExecutor:
        """Give whom to ask; a folder whose disk does not answer fails at once, and holds no other folder up."""
        self._stalled_dirs = {folder: disk for folder, disk in self._stalled_dirs.items() if disk.stalled}
        folder = posixpath.dirname(path)
        if len(self._stalled_dirs) >= _MAX_STALLED:  # each has a thread that hangs
            folder = next(iter(self._stalled_dirs))
        if (known := self._stalled_dirs.get(folder)) is not None:
            return known
        return TimeoutExecutor("like", self._patience, on_hang=lambda disk: self._stalled_dirs.update({folder: disk}))


def read_regular_file(
    tick: Callable[[], None], path: str, root: str | None = None, largest: int = _LARGEST
) -> tuple[Fingerprint, bytearray]:
    """Give what is in a regular file; with `root` no link below that is followed. Calls `tick` as it gets on.

    Raises OSError and UnreadableImageError.
    """
    if "\0" in path:
        raise UnreadableImageError("no file has a NUL character in its name")
    data = bytearray()
    with os.fdopen(open_regular(path, root), "rb") as file:
        status = os.fstat(file.fileno())
        # The file may grow, and those of /proc do not say how large they are.
        while status.st_size <= largest and len(data) <= largest and (piece := file.read(_PIECE)):
            tick()
            data += piece
    if max(status.st_size, len(data)) > largest:
        raise UnreadableImageError(f"it has more than {largest >> 20:,} MB")
    return Fingerprint.of(status), data


def _vector(bound: ModelIdentity | None, ready: WorkerInfo, answer: frames.Frame) -> Vectors:
    """Give the vector in an answer. Raises ModelMismatchError, or ValueError where it is none."""
    if ready.identity != bound:
        raise ModelMismatchError("the model has changed since the photos were indexed", "restart the daemon")
    vector: Vectors = frames.vectors_from_bytes(answer[1], 1)[0]
    if len(vector) != ready.identity.dim or not abs(np.linalg.norm(vector) - 1) < _UNIT:
        raise ValueError("no unit vector")
    return vector


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _hint(path: str) -> str:
    if path.startswith(_PRIVATE) and os.environ.get("INVOCATION_ID"):
        return "a service has a /tmp of its own: copy the photo to your home folder first"
    return "give the path of a photo, in the library or anywhere else"
