"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import threading

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def atomic_write(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o600) -> None:
    """Replace the file at `path`; it is on the disk when this returns.

    It gets `mode` whatever the umask is. Raise OSError; then the file is what it was.
    """
    folder, name = os.path.split(os.fspath(path))
    # Of this process and thread alone: a thread that was given up on may still be writing the same file.
    part = os.path.join(folder, f".{name}.{os.getpid()}.{threading.get_native_id()}.part")  # noqa: PTH118 - a name may hold any bytes
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)  # noqa: PTH108 - left by a process that was killed and had the same number
        with open(part, "wb", opener=lambda name, _: os.open(name, _CREATE, mode)) as file:
            with contextlib.suppress(PermissionError):  # a file system without modes
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)  # noqa: PTH105
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(part)  # noqa: PTH108
        raise
    _sync_folder(folder or ".")


def _sync_folder(folder: str) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # a folder that may be written and not listed: the kernel syncs it by itself, later
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
