"""Whether a photo that failed is damaged, or is whole and cannot be decoded here.

The owner restores the one from a backup, and keeps the other. The reason that is stored tells them apart, so photos
that failed before this was known need no second try.
"""

from __future__ import annotations

import re
from typing import Literal

FailureKind = Literal["damaged", "unsupported", "other"]

_DAMAGED = re.compile(r"damaged (?!or unsupported)|truncated |empty file|nothing but zeros")
_UNSUPPORTED = re.compile(r"unsupported|not supported|not a photo in any known format")


def failure_kind(reason: str) -> FailureKind:
    """Return what kind of failure a reason is; "other" where it says nothing of the bytes, as for a lack of memory."""
    if _DAMAGED.match(reason):
        return "damaged"
    return "unsupported" if _UNSUPPORTED.search(reason) else "other"
