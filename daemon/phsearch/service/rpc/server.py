"""Accepts connections on the Unix socket, and serves each.

Only the user who runs the daemon may connect. The socket's permissions say so, and the uid that the kernel reports for
the peer is checked as well. Root is another user, too. The requests of one connection are answered in order; a slow one
does not delay other clients.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from typing import TYPE_CHECKING

from phsearch.service.rpc.admission import ConnectionLimiter, LoopLimiter
from phsearch.service.rpc.connection import Connection
from phsearch.service.rpc.listener import BACKLOG

if TYPE_CHECKING:
    from phsearch.service.events import EventBus
    from phsearch.service.rpc.dispatcher import Dispatcher

log = logging.getLogger("phsearch.server")

_CONNECTIONS, _SUBSCRIBERS = 512, 64
_MIN_CONNECTIONS, _RESERVED_DESCRIPTORS = 16, 256
_MAX_BYTES = 64 << 20
"""For requests and answers of all clients together; one of them may take a mebibyte."""
_ACCEPTS_AT_ONCE = 8
_ACCEPT_PAUSE = 1.0
_UCRED = struct.Struct("3i")


class Server:
    """Serves the API on a listening socket. `descriptors` is the number of files that this process may open."""

    def __init__(self, *, dispatcher: Dispatcher, events: EventBus, descriptors: int = 1024) -> None:
        self._dispatcher = dispatcher
        self._events = events
        # The store opens many files at once, and must find descriptors whatever clients do.
        max_connections = max(min(_CONNECTIONS, (descriptors - _RESERVED_DESCRIPTORS) // 2), _MIN_CONNECTIONS)
        self._limiter = ConnectionLimiter(
            max_connections=max_connections,
            max_subscribers=min(_SUBSCRIBERS, max_connections // 2),
            max_bytes=_MAX_BYTES,
        )
        self._loop_limiter = LoopLimiter()
        self._connections: set[Connection] = set()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._listener: socket.socket

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept connections."""
        listener.setblocking(False)
        # Again, for a socket made by systemd: from here on clients see the daemon's pid and not systemd's.
        listener.listen(BACKLOG)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept)

    def replace_listener(self, listener: socket.socket) -> None:
        """Accept connections on another socket from now on; those that are open stay."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()
        self._listener = listener
        loop.add_reader(listener, self._accept)

    @property
    def connections(self) -> int:
        """The number of connected clients."""
        return len(self._connections)

    async def stop(self, patience: float = 2.0) -> None:
        """Accept no more connections, wait until requests in hand are answered, then close."""
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
        await self._dispatcher.finish_changes(patience)

    def _accept(self) -> None:
        """Accept a few connections at once: a storm of them must not keep the loop from those that are open."""
        for _ in range(_ACCEPTS_AT_ONCE):
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
        return Connection(
            dispatcher=self._dispatcher, events=self._events, limiter=self._limiter, loop_limiter=self._loop_limiter
        )

    def _pause_accept(self, error: OSError) -> None:
        """Stop accepting for a moment, for example without descriptors: the loop would spin."""
        log.warning("cannot take another connection for now: %s", error.strerror)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._pause = loop.call_later(_ACCEPT_PAUSE, loop.add_reader, self._listener, self._accept)


def _same_user(peer: socket.socket) -> bool:
    _pid, uid, _gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return bool(uid == os.getuid())
