"""What is at one path, for a person who asks."""

from __future__ import annotations

import os
import stat

from phsearch.adapters.files.scanner import ListedNames
from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.types import Fingerprint, PathStatus


def stat_path(path: str, root: str | None) -> PathStatus:
    """Return what is at `path`, and the first link to it below `root`. Raises OSError if that cannot be known."""
    real = os.path.realpath(path)
    link = _first_link(path, root) if root is not None else ""
    try:
        status = os.stat(path)  # noqa: PTH116 - a str stays a str
    except (FileNotFoundError, NotADirectoryError):
        return PathStatus("nothing", real, link)
    if root is not None and ListedNames().spell(path, root) != path:
        return PathStatus("nothing", real, link)  # the file system accepts a name that no folder lists
    fingerprint = Fingerprint.of(status)
    if stat.S_ISREG(status.st_mode):
        return PathStatus("file", real, link, fingerprint)
    return PathStatus("folder" if stat.S_ISDIR(status.st_mode) else "other", real, link, fingerprint)


def _first_link(path: str, root: str) -> str:
    names = path[len(dir_prefix(root)) :].split("/") if path != root else []
    for depth in range(1, len(names) + 1):
        ancestor = dir_prefix(root) + "/".join(names[:depth])
        if os.path.islink(ancestor):  # noqa: PTH114 - a str stays a str
            return ancestor
    return ""
