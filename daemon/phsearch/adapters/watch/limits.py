"""Why something cannot be watched, in words that name the remedy."""

from __future__ import annotations

import errno
from pathlib import Path


def common_reason(errors: list[OSError]) -> str:
    """Give one reason for many folders: the limit, which the owner can raise, before all others."""
    if not errors:
        return ""
    full = [error for error in errors if error.errno == errno.ENOSPC]
    error = (full or errors)[0]
    return explained(error, "").strerror or str(error)


def explained(error: OSError, path: str) -> OSError:
    """Give the error again, of the same kind, in our words."""
    match error.errno:
        case errno.ENOSPC:
            text = "the limit on watched folders is reached: " + _remedy("max_user_watches")
        case errno.EMFILE:
            text = "the limit on inotify instances is reached: " + _remedy("max_user_instances")
        case _:
            text = (error.strerror or str(error)).lower()
    return OSError(error.errno, text, path) if path else OSError(error.errno, text)


def _remedy(limit: str) -> str:
    try:
        now = int(Path("/proc/sys/fs/inotify", limit).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return f"raise fs.inotify.{limit}"
    return f"it is {now}, raise it with: sudo sysctl fs.inotify.{limit}={now * 2}"
