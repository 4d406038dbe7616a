"""Photos as the index worker reads them: the very file that is meant, and none outside the folders it may see."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from phsearch.domain.roots.roots import Roots
from phsearch.domain.types import Fingerprint
from phsearch.safe_open import open_regular

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.ports import Decoded, Decoder
    from phsearch.domain.types import Preprocess

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class PhotoReader:
    """Reads in the photo folders that were there when the worker was confined; any number of threads may share it."""

    def __init__(self, roots: Sequence[str], decoder: Decoder, preprocess: Preprocess, *, follow: bool) -> None:
        self._follow = follow
        self._roots = Roots(roots)
        self._decoder = decoder
        self._preprocess = preprocess
        self._before = {root: _identity(root) for root in self._roots}

    def read(self, path: str, fingerprint: Fingerprint) -> Decoded | None:
        """Decode a photo that is the one whose digest was taken, from before it is read until after; None if it is not.

        Raises OSError, UnreadableImageError.
        """
        try:
            descriptor = self._open(path)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise
        try:
            if Fingerprint.of(os.fstat(descriptor)) != fingerprint:
                return None
            decoded = self._decoder.decode(path, self._preprocess, descriptor)
            # Rewritten, or replaced by another.
            same = fingerprint == Fingerprint.of(os.fstat(descriptor))
            return decoded if same and self._current_identity(path) == fingerprint else None
        finally:
            os.close(descriptor)

    def root_replaced(self, path: str) -> bool:
        """Tell whether the folder of a photo is another one than it was, or has not been there: a disk was mounted."""
        root = self._roots.root_of(path)
        return root is None or _identity(root) != self._before[root]

    def _open(self, path: str) -> int:
        root = self._roots.root_of(path)
        if root is None and not self._follow:
            raise PermissionError(errno.EACCES, "its folder was added later", path)
        return open_regular(path, None if self._follow else root)

    def _current_identity(self, path: str) -> Fingerprint | None:
        try:
            return Fingerprint.of(os.stat(path, follow_symlinks=self._follow))  # noqa: PTH116 - surrogate names and speed
        except OSError:
            return None


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)  # noqa: PTH116 - as above
    except OSError:
        return None
    return status.st_dev, status.st_ino
