"""The bytes of a photo, read once and whole.

In memory and not mapped: a file that shrinks while it is mapped kills the process (SIGBUS), and a copy cannot change
between the header check and the decode.
"""

from __future__ import annotations

import os

from phsearch.errors import UnreadableImageError
from phsearch.opening import open_regular

# An uncompressed photo at the pixel limit with four 16-bit channels, and its metadata: nothing decodable is larger.
_BYTES_A_PIXEL = 8
_METADATA = 64 << 20


def read(path: str, max_pixels: int, descriptor: int | None = None) -> bytes:
    """Give the content of the regular file at `path`, or of one opened already, which stays open.

    Raises UnreadableImageError with the reason.
    """
    try:
        opened = open_regular(path) if descriptor is None else descriptor
        with os.fdopen(opened, "rb", closefd=descriptor is None) as file:
            status = os.fstat(opened)
            most = max_pixels * _BYTES_A_PIXEL + _METADATA
            if status.st_size > most:
                raise UnreadableImageError(
                    f"{status.st_size / 1e9:,.1f} GB, more than any photo within index.max_megapixels needs"
                )
            return file.read(most + 1)
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {(error.strerror or 'unknown error').lower()}") from error
