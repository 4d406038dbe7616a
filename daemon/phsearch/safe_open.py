"""Open a photo safely, although other users may write into a watched folder.

They may replace a photo by a link, a FIFO or a device at any moment, also between a check and an open. So the path from
the root to the file is opened folder by folder, and no step follows a symbolic link. The file at its end is checked
before it is opened for reading: a device may act when it is only opened, and a FIFO waits for its writer.
"""

from __future__ import annotations

import errno
import os
import stat

from phsearch.errors import UnreadableImageError

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_UPWARD = frozenset({"", ".", ".."})
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: str, root: str | None = None) -> int:
    """Open a regular file for reading, and return its descriptor.

    With `root`, a folder that holds `path`, no name below it may be a symbolic link. Raise OSError (ELOOP or ENOTDIR
    for a link), and UnreadableImageError for anything but a regular file.
    """
    descriptor = _open_path(path) if root is None else _open_path_below(path, root)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISLNK(status.st_mode):
            raise OSError(errno.ELOOP, "a symbolic link has taken its place", path)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImageError("not a regular file")
        return os.open(f"/proc/self/fd/{descriptor}", _READ)
    finally:
        os.close(descriptor)


def _open_path(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _open_path_below(path: str, root: str) -> int:
    """Return a descriptor of `path` (O_PATH), which cannot read it. The last name itself may be a link."""
    if not _UPWARD.isdisjoint(path.split("/")[1:]):
        raise FileNotFoundError(errno.ENOENT, "not a plain path", path)
    # The user chose the root, so it may be a link.
    folder_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    *folders, name = path[len(root) :].strip("/").split("/")
    for folder in folders:
        parent_fd = folder_fd
        try:
            folder_fd = os.open(folder, _STEP | os.O_DIRECTORY, dir_fd=parent_fd)
        finally:
            os.close(parent_fd)
    try:
        return os.open(name, _STEP, dir_fd=folder_fd)
    finally:
        os.close(folder_fd)
