"""The listening Unix socket: where it is, and what waiting clients are told when the daemon cannot start.

Only the user who runs the daemon may connect: the directory is 0700 and the socket 0600.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING, Self

from phsearch.errors import AlreadyRunningError, PhsearchError
from phsearch.wire import framing, jsonrpc
from phsearch.wire.jsonrpc import RpcError

if TYPE_CHECKING:
    from pathlib import Path

BACKLOG = 1024
"""Clients that may wait until their connections are accepted."""
_REJECT_SECONDS = 0.5
_REQUEST_BYTES = 1 << 16


class NamedSocket:
    """A listening socket, and the name by which clients find it."""

    def __init__(self, listener: socket.socket, path: Path, *, ours: bool = True) -> None:
        """Take a socket that is bound to `path`; one that is not `ours` is systemd's, which keeps its name."""
        self.listener = listener
        self.path = path
        self._ours = ours
        self._identity = _identity(path)

    @classmethod
    def bind(cls, path: Path) -> Self:
        """Bind a socket. Raises as `listen`."""
        return cls(listen(path), path)

    def has_name(self) -> bool:
        """Whether the name still leads to this socket, or to one that has taken its place and is not for us to take."""
        found = _identity(self.path)
        return found is not None and (found == self._identity or _has_listener(self.path))

    def close(self) -> None:
        """Close the socket and remove its name, unless systemd has put a socket of its own there meanwhile."""
        self.listener.close()
        if self._ours and self._identity is not None and _identity(self.path) == self._identity:
            with contextlib.suppress(OSError):
                self.path.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def listen(path: Path) -> socket.socket:
    """Bind the socket, 0600 in a 0700 directory. A stale socket is replaced only after connect() has failed.

    Raises AlreadyRunningError, or PhsearchError with a hint if it cannot be bound.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            _bind(listener, path)
            path.chmod(0o600)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        reason = "the path is too long" if "too long" in str(error) else error.strerror or str(error)
        raise PhsearchError(f"cannot listen on {path}: {reason}", "choose another place with --socket") from error
    return listener


def _make_private(path: Path) -> None:
    """Close the folder of the socket to other users, unless it holds other files."""
    folder = path.parent
    status = folder.stat()
    if status.st_uid == os.getuid() and all(entry.name == path.name for entry in folder.iterdir()):
        folder.chmod(0o700)


def _bind(listener: socket.socket, path: Path) -> None:
    # umask covers the moment between bind() and chmod().
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        if not stat.S_ISSOCK(path.lstat().st_mode):
            # Any file refuses connect(). Only a socket without a listener may be removed.
            raise PhsearchError(
                f"{path} is in the way: it is not a socket", "move it away, or choose another place with --socket"
            ) from None
        if _has_listener(path):
            raise AlreadyRunningError(
                f"another phsearchd answers on {path}",
                "stop it first (a service by `systemctl --user stop phsearch.socket`), or choose another with --socket",
            ) from None
        path.unlink()
        listener.bind(str(path))
    finally:
        os.umask(before)


def _has_listener(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError as error:
            # A daemon with a full backlog, or a slow one, is running.
            return error.errno != errno.ENOENT
        return True


def reject_waiting_clients(listener: socket.socket, problem: PhsearchError) -> int:
    """Answer every client that waits on a socket of systemd with the reason why the daemon cannot start.

    Return the number of clients. Without this their connections would stay in the queue and wake the next start at
    once, and the one after, until systemd gives up; and no client would learn why.
    """
    refused = 0
    with contextlib.suppress(OSError):  # BlockingIOError at the end: no client waits any more
        while True:
            connection, _ = listener.accept()
            refused += 1
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_REJECT_SECONDS)
                connection.sendall(framing.encode(_rejection(connection.recv(_REQUEST_BYTES), problem)))
    return refused


def _rejection(line: bytes, problem: PhsearchError) -> dict[str, object]:
    try:
        message = framing.decode(line)
    except ValueError:
        message = None
    error = RpcError("CannotStart", f"phsearchd cannot start: {problem}", problem.hint)
    return jsonrpc.error(error, jsonrpc.request_id(message))
