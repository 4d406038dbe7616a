"""Explains why something cannot be watched, with the remedy."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EMFILE})
"""Errors of inotify when one of its limits is reached; there is nothing wrong with the folder."""


def common_reason(errors: list[tuple[str, OSError]]) -> str:
    """Return one reason for many folders: a limit, which the owner can raise, or else the first folder's."""
    if not errors:
        return ""
    full = [error for _, error in errors if error.errno in FULL]
    folder, error = errors[0]
    if full:
        return explain_error(full[0], "", missing=len(full)).strerror or str(full[0])
    reason = explain_error(error, "").strerror or str(error)
    return reason if error.errno == errno.EREMOTE else f"{reason}: {folder}"


def explain_error(error: OSError, path: str, missing: int = 1) -> OSError:
    """Return an error of the same kind with our own text; `missing` is the number of watches that are needed."""
    match error.errno:
        case errno.ENOSPC:
            text = "the limit on watched folders is reached: " + _remedy("watches", missing)
        case errno.EMFILE:
            text = "the limit on inotify instances is reached: " + _remedy("instances", 1)
        case _:
            text = (error.strerror or str(error)).lower()
    return OSError(error.errno, text, path) if path else OSError(error.errno, text)


def _remedy(what: str, missing: int) -> str:
    # There is a limit of the system and one of the user namespace (of a container, for example): raise the lower one.
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
