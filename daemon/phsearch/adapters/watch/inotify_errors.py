"""Why something cannot be watched, in words that name the remedy."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EMFILE})
"""What inotify says when one of its limits is reached: there is nothing wrong with the folder."""


def common_reason(errors: list[OSError]) -> str:
    """Give one reason for many folders: the limit, which the owner can raise, before all others."""
    if not errors:
        return ""
    full = [error for error in errors if error.errno in FULL]
    error = (full or errors)[0]
    return explained(error, "", missing=len(full)).strerror or str(error)


def explained(error: OSError, path: str, missing: int = 1) -> OSError:
    """Give the error again, of the same kind, in our words; `missing` is how many more would be wanted."""
    match error.errno:
        case errno.ENOSPC:
            text = "the limit on watched folders is reached: " + _remedy("watches", missing)
        case errno.EMFILE:
            text = "the limit on inotify instances is reached: " + _remedy("instances", 1)
        case _:
            text = (error.strerror or str(error)).lower()
    return OSError(error.errno, text, path) if path else OSError(error.errno, text)


def _remedy(what: str, missing: int) -> str:
    # The limit of the system and that of the user namespace (of a container, say): the lower one is the one to raise.
    limits = {}
    for name in (f"fs.inotify.max_user_{what}", f"user.max_inotify_{what}"):
        with contextlib.suppress(OSError, ValueError):
            limits[name] = int(Path("/proc/sys", name.replace(".", "/")).read_text(encoding="ascii"))
    if not limits:
        return f"raise fs.inotify.max_user_{what}"
    name = min(limits, key=lambda each: limits[each])
    now = limits[name]
    enough = max(now, 1) * 2
    while enough < now + missing:
        enough *= 2
    return f"it is {now}, raise it with: sudo sysctl {name}={enough}"
