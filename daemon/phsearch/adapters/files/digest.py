"""The digest of a photo's bytes, which identifies its content."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from phsearch.domain.types import ContentDigest, Fingerprint
from phsearch.errors import UnreadableImageError
from phsearch.safe_open import open_regular, read_chunks

if TYPE_CHECKING:
    from collections.abc import Callable

_DIGEST_BYTES = 16


def digest(path: str, progress: Callable[[], None] = lambda: None, root: str | None = None) -> ContentDigest | None:
    """Read a file once and return its fingerprint and digest, or None if it changed while it was read.

    The hash is BLAKE2b: as safe as SHA-2, and about 1 GB/s on any processor.
    `root` as in safe_open.open_regular, `progress` as in read_chunks. Raises OSError and UnreadableImageError.
    """
    descriptor = open_regular(path, root)
    try:
        before = Fingerprint.of(os.fstat(descriptor))
        if before.size == 0:
            raise UnreadableImageError("empty file (0 bytes)")
        state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        for chunk in read_chunks(descriptor, progress):
            state.update(chunk)
        after = Fingerprint.of(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    return ContentDigest(before, state.digest()) if before == after else None
