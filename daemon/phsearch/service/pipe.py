"""The daemon's end of a worker's socket pair.

asyncio's streams forget what has arrived once a write fails, and a worker that crashes leaves both behind: results on
their way to us and a closed door for what we were about to send. Here the two directions know nothing of each other,
so that every frame a worker ever sent is read.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from phsearch.service import frames

if TYPE_CHECKING:
    import socket

_CHUNK = 1 << 18


class Pipe:
    """Frames over one socket. One task at a time may receive, and one may send."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._buffer = bytearray()

    async def send(self, data: bytes | bytearray) -> None:
        """Send bytes. Raises OSError when the other side is gone."""
        await asyncio.get_running_loop().sock_sendall(self._connection, data)

    async def receive(self) -> frames.Frame:
        """Wait for one frame; cancelling loses nothing.

        Raises EOFError or OSError once there are no more, ValueError for what is none.
        """
        while (frame := frames.take(self._buffer)) is None:
            await self._readable()
            with contextlib.suppress(BlockingIOError):
                chunk = self._connection.recv(_CHUNK)
                if not chunk:
                    raise EOFError
                self._buffer += chunk
        return frame

    async def _readable(self) -> None:
        # Not sock_recv(): what it has read is lost when it is cancelled at that moment.
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._connection, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._connection)

    def close(self) -> None:
        """Hang up; nothing may be under way."""
        self._connection.close()
