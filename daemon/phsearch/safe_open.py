"""Opening a photo without being led elsewhere, held up, or heard.

Whoever may write into a watched folder may put a link, a FIFO or a device in a photo's place at any moment, also
between a look and an open. So the way from the root to the file is gone folder by folder, no step follows a symbolic
link, and what is at its end is looked at before it is opened for reading: a device may do things when it is merely
opened, and a FIFO waits for its writer.
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
    """Open a regular file for reading; gives its descriptor.

    With `root`, a folder that `path` lies in, no name below it may be a symbolic link. Raises OSError (ELOOP or ENOTDIR
    where there is a link) and UnreadableImageError for what is no regular file.
    """
    spot = _open_path(path) if root is None else _open_path_below(path, root)
    try:
        status = os.fstat(spot)
        if stat.S_ISLNK(status.st_mode):
            raise OSError(errno.ELOOP, "a symbolic link has taken its place", path)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImageError("not a regular file")
        return os.open(f"/proc/self/fd/{spot}", _READ)
    finally:
        os.close(spot)


def _open_path(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _open_path_below(path: str, root: str) -> int:
    """Give a descriptor of the place of `path`, which allows nothing but a look; the last name may be a link itself."""
    if not _UPWARD.isdisjoint(path.split("/")[1:]):
        raise FileNotFoundError(errno.ENOENT, "not a plain path", path)
    # The root is named by its owner, and may be a link.
    here = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    *folders, name = path[len(root) :].strip("/").split("/")
    for folder in folders:
        above = here
        try:
            here = os.open(folder, _STEP | os.O_DIRECTORY, dir_fd=above)
        finally:
            os.close(above)
    try:
        return os.open(name, _STEP, dir_fd=here)
    finally:
        os.close(here)
