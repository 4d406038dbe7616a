"""What a failure says: of which photos it holds, and whether the photo is damaged or cannot be decoded here.

The owner restores a damaged photo from a backup, and keeps the other. The reason that is stored tells them apart, so
photos that failed before this was known need no second try.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import Literal

from phsearch.errors import FileTooLargeError, TruncatedImageError, UnreadableImageError

FailureScope = Literal["content", "unfinished", "file", "machine"]
"""Of what a failure holds: of each file with this content, perhaps since it is still being written; of this file, as
long as its disk or its permissions are as now; or of the machine, which is short of something that any photo needs."""

_OF_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN})

FailureKind = Literal["damaged", "unsupported", "other"]

_DAMAGED = re.compile(r"damaged (?!or unsupported)|truncated |empty file|nothing but zeros")
_UNSUPPORTED = re.compile(r"unsupported|not supported|not a photo in any known format")


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """Why a file could not be read, and of what that holds."""

    reason: str
    scope: FailureScope

    @classmethod
    def of(cls, error: UnreadableImageError | OSError) -> ReadFailure:
        """Return the failure that an error is."""
        match error:
            case FileTooLargeError():
                return cls(error.photo_reason(), "content")
            case TruncatedImageError():
                return cls(str(error), "unfinished")
            case UnreadableImageError():
                return cls(str(error), "content")
            case _:
                scope: FailureScope = "machine" if error.errno in _OF_MACHINE else "file"  # a disk may answer next time
                return cls(f"cannot be read: {error.strerror or 'unknown error'}", scope)


def failure_kind(reason: str) -> FailureKind:
    """Return what kind of failure a reason is; "other" where it says nothing of the bytes, as for a lack of memory."""
    if _DAMAGED.match(reason):
        return "damaged"
    return "unsupported" if _UNSUPPORTED.search(reason) else "other"
