"""A file system that hangs like a network share whose server is gone: a FUSE mount without a server.

Every stat, listing or look-up at or below the mount point waits in the kernel, until its process is killed or the
mount ends. That needs root and /dev/fuse; otherwise `why_not` returns the reason, for pytest.mark.skipif.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MNT_DETACH = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def hung(path: Path, *options: str) -> Iterator[HungMount]:
    """Mount a file system that does not answer over `path`, until the end of the block or `end()`. Raises OSError."""
    mount = HungMount(path, *options)
    try:
        yield mount
    finally:
        mount.end()


class HungMount:
    """The mount, which exists from the construction to `end`."""

    def __init__(self, path: Path, *more: str) -> None:
        self.path = path
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        own = f"fd={self.device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
        options = ",".join([own, *more])
        try:
            _call("mount", b"hung", os.fsencode(path), b"fuse", ctypes.c_ulong(0), options.encode())
        except OSError:
            os.close(self.device)
            raise

    def end(self) -> None:
        """Unmount; calls that wait for an answer get an error (ENOTCONN or ECONNABORTED)."""
        if self.device < 0:
            return
        with contextlib.suppress(OSError):  # unmounted already
            _call("umount2", os.fsencode(self.path), ctypes.c_int(_MNT_DETACH))
        os.close(self.device)  # the last reader is gone: the kernel aborts every request
        self.device = -1


@cache
def why_not() -> str:
    """Return why no file system can be made to hang here, or "" if it can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with hung(Path(folder)):
                return ""
        except OSError as error:
            return f"cannot mount a FUSE file system: {error.strerror}"


def _call(name: str, *arguments: object) -> None:
    if getattr(_LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
