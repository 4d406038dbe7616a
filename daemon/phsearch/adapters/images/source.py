"""The bytes of a photo, read once and whole.

In memory and not mapped: a file that shrinks while it is mapped kills the process (SIGBUS), and a copy cannot change
between the header check and the decode.
"""

from __future__ import annotations

import os
import stat

from phsearch.errors import TruncatedImageError, UnreadableImageError

# An uncompressed photo at the pixel limit with four 16-bit channels, and its metadata: nothing decodable is larger.
_BYTES_A_PIXEL = 8
_METADATA = 64 << 20


def read(path: str, max_pixels: int) -> bytes:
    """Give the content of the regular file at `path`. Raises UnreadableImageError with the reason."""
    try:
        # O_NONBLOCK: opening a FIFO named holiday.jpg would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableImageError("not a regular file")
            most = max_pixels * _BYTES_A_PIXEL + _METADATA
            if status.st_size > most:
                raise UnreadableImageError(
                    f"{status.st_size / 1e9:,.1f} GB, more than any photo within index.max_megapixels needs"
                )
            data = file.read(most + 1)
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {(error.strerror or 'unknown error').lower()}") from error
    if not data:
        raise TruncatedImageError("empty file (0 bytes)")
    return data
