"""Photos of the library, invented for tests."""

from __future__ import annotations

import hashlib
from typing import Any

from phsearch.domain.types import Fingerprint, Photo, PhotoInfo


def photo(path: str, digest: bytes | None = None, size: int = 1000, indexed_at: float = 1.0, **info: Any) -> Photo:
    """Return a photo; values that are not given are derived from its path."""
    number = hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest()
    taken = {"taken_at": f"20{number[0] % 30:02}-0{number[1] % 9 + 1}-11T10:20:{number[2] % 60:02}"}
    known: dict[str, Any] = {"width": 640, "height": 480, "format": "JPEG"} | taken | info
    root = path.rpartition("/")[0] or "/"
    return Photo(path, root, Fingerprint(size, 1), digest or number[:16], PhotoInfo(**known), indexed_at)
