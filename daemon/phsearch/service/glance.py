"""Understanding a photo that is not in the library, for `like:`.

The daemon opens the file and hands its bytes to a worker of its own: not to the index worker, which may be paused, and
not to the query worker, which a hostile picture must not take along. That worker may read no file at all.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING

from phsearch.domain.types import Fingerprint
from phsearch.errors import ModelMismatchError, UnreadableImageError
from phsearch.opening import open_regular
from phsearch.service import frames
from phsearch.service.disk import RootDisk

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.types import ModelIdentity, Vectors
    from phsearch.service.summoned import Summoned

_PATIENCE = 10.0
_LARGEST = 256 << 20
_REMEMBERED = 100
_PRIVATE = ("/tmp/", "/var/tmp/")  # noqa: S108 - where a service may have folders of its own


class Glance:
    """Path -> vector, for as long as the file stays the same; `bound` gives the model of the index."""

    def __init__(self, worker: Summoned, bound: Callable[[], ModelIdentity | None]) -> None:
        self._worker = worker
        self._bound = bound
        self._disk = RootDisk("like", _PATIENCE)
        self._known: OrderedDict[tuple[str, Fingerprint], Vectors] = OrderedDict()

    async def vector(self, path: str) -> Vectors:
        """Give the [dim] unit vector of the photo in a file. Raises UnreadableImageError, naming it and why."""
        try:
            fingerprint, data = await self._disk.ask(lambda _tick: read(path))
            key = path, fingerprint
            if (known := self._known.get(key)) is None:
                _, payload = await self._worker.ask({"op": "look", "path": path}, data)
                known = self._known[key] = frames.vectors_from_bytes(payload, 1)[0]
        except OSError as error:
            raise UnreadableImageError(f"{path} cannot be read: {_reason(error)}", _hint(path)) from None
        except UnreadableImageError as error:
            raise UnreadableImageError(f"{path} is of no use for like: {error}", "take another photo") from None
        if (ready := self._worker.ready) is not None and ready.identity != self._bound():
            raise ModelMismatchError("the model has changed since the photos were indexed", "restart the daemon")
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known


def read(path: str, root: str | None = None, largest: int = _LARGEST) -> tuple[Fingerprint, bytes]:
    """Give what is in a regular file; with `root` no link below that is followed.

    Raises OSError and UnreadableImageError.
    """
    with os.fdopen(open_regular(path, root), "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size > largest:
            raise UnreadableImageError(f"it has {status.st_size / 1e9:,.1f} GB")
        return Fingerprint(status.st_size, status.st_mtime_ns), file.read(largest)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _hint(path: str) -> str:
    if path.startswith(_PRIVATE) and os.environ.get("INVOCATION_ID"):
        return "a service has a /tmp of its own: copy the photo to your home folder first"
    return "give the path of a photo, in the library or anywhere else"
