"""A file system that hangs, as a network share does whose server is gone: a FUSE mount that nobody answers.

Every stat, listing or look-up at or below the mount point waits, in the kernel, until its process is killed or the
mount ends. That wants root and /dev/fuse; where it cannot be had, `why_not` says why, for pytest.mark.skipif.
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
    """Cover the folder `path` with a file system that does not answer, until the end or `end()`. Raises OSError."""
    mount = HungMount(path, *options)
    try:
        yield mount
    finally:
        mount.end()


class HungMount:
    """The mount, from its making on."""

    def __init__(self, path: Path, *more: str) -> None:
        self.path = path
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        own = f"fd={self._device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
        options = ",".join([own, *more])
        try:
            _call("mount", b"hung", os.fsencode(path), b"fuse", ctypes.c_ulong(0), options.encode())
        except OSError:
            os.close(self._device)
            raise

    def end(self) -> None:
        """Take the mount away; whoever waits for an answer gets an error (ENOTCONN or ECONNABORTED)."""
        if self._device < 0:
            return
        with contextlib.suppress(OSError):  # taken away already by somebody else
            _call("umount2", os.fsencode(self.path), ctypes.c_int(_MNT_DETACH))
        os.close(self._device)  # the last reader is gone: the kernel aborts every request
        self._device = -1


@cache
def why_not() -> str:
    """Say why no file system can be made to hang here; "" where one can."""
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
