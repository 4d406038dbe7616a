"""A closer look at one path than a scan needs: what it is, and which links lead to it."""

from __future__ import annotations

import os
import stat

from phsearch.domain.roots import below
from phsearch.domain.sight import Sight
from phsearch.domain.types import Fingerprint


def sight(path: str, root: str | None) -> Sight:
    """Look at `path`; links are named below `root` only. Raises OSError where that cannot be known."""
    real = os.path.realpath(path)
    link = _first_link(path, root) if root is not None else ""
    try:
        status = os.stat(path)  # noqa: PTH116 - a str stays a str
    except (FileNotFoundError, NotADirectoryError):
        return Sight("nothing", real, link)
    fingerprint = Fingerprint(status.st_size, status.st_mtime_ns)
    if stat.S_ISREG(status.st_mode):
        return Sight("file", real, link, fingerprint)
    return Sight("folder" if stat.S_ISDIR(status.st_mode) else "other", real, link, fingerprint)


def _first_link(path: str, root: str) -> str:
    names = path[len(below(root)) :].split("/") if path != root else []
    for depth in range(1, len(names) + 1):
        above = below(root) + "/".join(names[:depth])
        if os.path.islink(above):  # noqa: PTH114 - as above
            return above
    return ""
