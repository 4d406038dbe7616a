"""Reads photos for the index worker: exactly the file that is meant, and none outside the allowed folders."""

from __future__ import annotations

import dataclasses
import errno
import os
from typing import TYPE_CHECKING

from phsearch.adapters.images import metadata
from phsearch.domain.roots.roots import Roots
from phsearch.domain.types import Fingerprint
from phsearch.errors import FileTooLargeError, UnreadableImageError
from phsearch.safe_open import open_regular, read_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.ports import Decoded, Decoder
    from phsearch.domain.types import Preprocess

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class PhotoReader:
    """Reads below `roots`, the photo folders that were online when the worker entered its sandbox.

    `follow` is whether to follow symbolic links. Several threads may use one reader.
    """

    def __init__(self, *, roots: Sequence[str], decoder: Decoder, preprocess: Preprocess, follow: bool) -> None:
        self._follow = follow
        self._roots = Roots(roots)
        self._decoder = decoder
        self._preprocess = preprocess
        self._identities = {root: _identity(root) for root in self._roots}

    def read(self, path: str, fingerprint: Fingerprint) -> Decoded | None:
        """Return the decoded photo; None if it is not, before and after reading, the file of this fingerprint.

        A date or place that the file does not state is looked for in its sidecar.

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
            # It may have been rewritten, or replaced by another file.
            same = fingerprint == Fingerprint.of(os.fstat(descriptor))
            if not same or self._current_identity(path) != fingerprint:
                return None
        finally:
            os.close(descriptor)
        if decoded.info.taken_at is not None and decoded.info.lat is not None:
            return decoded
        return dataclasses.replace(decoded, info=self._sidecar_of(path).complete_info(decoded.info))

    def root_replaced(self, path: str) -> bool:
        """Return whether the folder of a photo is another one than before, or is new: a disk was mounted."""
        root = self._roots.root_of(path)
        return root is None or _identity(root) != self._identities[root]

    def _sidecar_of(self, path: str) -> metadata.Facts:
        """Return the facts in the files beside a photo. One that cannot be read has none."""
        facts = metadata.Facts()
        root = None if self._follow else self._roots.root_of(path)
        for sidecar in metadata.sidecar_paths(path):
            try:
                _, content = read_whole(sidecar, limit=metadata.MAX_SIDECAR_BYTES, root=root)
            except (OSError, FileTooLargeError, UnreadableImageError):
                continue
            facts = facts.or_else(metadata.read_sidecar(sidecar, content))
        return facts

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
