"""The Unix socket: where it is, who may speak, and how many at a time.

Only the user who runs the daemon may connect: the directory is 0700, the socket 0600, and the kernel's word on the
peer's uid is checked on top; root is another user, too. Each connection is served in order; one client's slow call
delays nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
import struct
from typing import TYPE_CHECKING

from phsearch.errors import AlreadyRunningError, PhsearchError
from phsearch.service.rpc.admission import ConnectionLimiter
from phsearch.service.rpc.connection import Connection
from phsearch.wire import framing, jsonrpc
from phsearch.wire.jsonrpc import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phsearch.service.events import EventBus
    from phsearch.service.rpc.dispatcher import Dispatcher

# What clients are told when systemd holds the socket and the daemon they woke cannot start.
#
# Without this their connections would stay in the queue, wake the next start at once, and the one after, until systemd
# gives up; and nobody would learn why.


_PATIENCE = 0.5
_REQUEST = 1 << 16


def reject_waiting_clients(listener: socket.socket, problem: PhsearchError) -> int:
    """Tell everyone who waits what is wrong, and hang up; gives their number."""
    refused = 0
    with contextlib.suppress(OSError):  # BlockingIOError, in the end: nobody waits any more
        while True:
            connection, _ = listener.accept()
            refused += 1
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_PATIENCE)
                connection.sendall(framing.encode(_answer(connection.recv(_REQUEST), problem)))
    return refused


def _answer(line: bytes, problem: PhsearchError) -> dict[str, object]:
    try:
        message = framing.decode(line)
    except ValueError:
        message = None
    error = RpcError("CannotStart", f"phsearchd cannot start: {problem}", problem.hint)
    return jsonrpc.error(error, jsonrpc.request_id(message))


log = logging.getLogger("phsearch.server")

_BACKLOG = 1024
_CONNECTIONS, _SUBSCRIBERS = 512, 64
_FEWEST, _KEPT_FREE = 16, 256
_MOST_BYTES = 64 << 20
"""What is kept for all clients together; one request or answer may have a mebibyte."""
_AT_ONCE = 8
_REST_SECONDS = 1.0
_UCRED = struct.Struct("3i")


@contextlib.contextmanager
def bound_socket(path: Path) -> Iterator[socket.socket]:
    """Bind the socket, and take it away at the end. Raises as `listen`."""
    listener = listen(path)
    ours = path.stat().st_ino
    try:
        yield listener
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            # systemd, asked to listen here meanwhile, has put its own in our socket's place.
            if path.lstat().st_ino == ours:
                path.unlink()


def listen(path: Path) -> socket.socket:
    """Bind the socket, 0600 in a 0700 directory. A stale socket is replaced only after connect() has failed.

    Raises AlreadyRunningError, or PhsearchError with what to do where it cannot be bound.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _private(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            _bind(listener, path)
            path.chmod(0o600)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        reason = "the path is too long" if "too long" in str(error) else error.strerror or str(error)
        raise PhsearchError(f"cannot listen on {path}: {reason}", "choose another place with --socket") from error
    return listener


def _private(path: Path) -> None:
    """Make the socket's folder ours alone, where it is: a folder that holds other things is left as it is."""
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
            # connect() is refused by any file; only a socket nobody listens on may be taken away.
            raise PhsearchError(
                f"{path} is in the way: it is not a socket", "move it away, or choose another place with --socket"
            ) from None
        if _answers(path):
            raise AlreadyRunningError(
                f"another phsearchd answers on {path}",
                "stop it first (a service by `systemctl --user stop phsearch.socket`), or choose another with --socket",
            ) from None
        path.unlink()
        listener.bind(str(path))
    finally:
        os.umask(before)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError as error:
            # A full backlog or a slow peer is alive.
            return error.errno != errno.ENOENT
        return True


class Server:
    """Serves the API on a listening socket. `descriptors` is how many files this process may have open."""

    def __init__(self, *, dispatcher: Dispatcher, events: EventBus, descriptors: int = 1024) -> None:
        self._dispatcher = dispatcher
        self._events = events
        # The store opens many files at once; whatever clients do, it must find descriptors.
        most = max(min(_CONNECTIONS, (descriptors - _KEPT_FREE) // 2), _FEWEST)
        self._limiter = ConnectionLimiter(
            max_connections=most, max_subscribers=min(_SUBSCRIBERS, most // 2), max_bytes=_MOST_BYTES
        )
        self._connections: set[Connection] = set()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._listener: socket.socket

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept."""
        listener.setblocking(False)
        # Anew: from here on clients see that it is us who serve a socket made by systemd.
        listener.listen(_BACKLOG)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def stop(self, patience: float = 2.0) -> None:
        """Accept no more, let answers under way go out, then close."""
        asyncio.get_running_loop().remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()
        self._listener.close()
        busy = [each.served for each in self._connections if each.answering and each.served is not None]
        if busy:
            await asyncio.wait(busy, timeout=patience)
        tasks = [each.served for each in self._connections if each.served is not None]
        for connection in list(self._connections):
            connection.close()
        for task in (*tasks, *self._handshakes):
            task.cancel()
        await asyncio.gather(*tasks, *self._handshakes, return_exceptions=True)

    def _accept(self) -> None:
        """Take a few of those who wait: a storm of them must not keep the loop from those who are in."""
        for _ in range(_AT_ONCE):
            try:
                peer, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause_accept(error)
                return
            if not _same_user(peer):
                log.warning("refused a connection of another user")
                peer.close()
                continue
            task = asyncio.get_running_loop().create_task(self._handshake(peer))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _handshake(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        try:
            _, connection = await asyncio.get_running_loop().connect_accepted_socket(self._connection, peer)
        except OSError:
            peer.close()
            return
        if (served := connection.served) is not None:
            self._connections.add(connection)
            served.add_done_callback(lambda _: self._connections.discard(connection))

    def _connection(self) -> Connection:
        return Connection(dispatcher=self._dispatcher, events=self._events, limiter=self._limiter)

    def _pause_accept(self, error: OSError) -> None:
        """Accept nobody for a moment, or the loop would turn for nothing: out of descriptors, say."""
        log.warning("cannot take another connection for now: %s", error.strerror)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._pause = loop.call_later(_REST_SECONDS, loop.add_reader, self._listener, self._accept)


def _same_user(peer: socket.socket) -> bool:
    _pid, uid, _gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return bool(uid == os.getuid())
