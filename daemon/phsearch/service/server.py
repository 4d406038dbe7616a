"""The Unix socket: who may speak, how a line becomes a call, and what a bad line gets.

Only the user who runs the daemon may connect: the directory is 0700, the socket 0600, and the kernel's word on the
peer's uid is checked on top. Each connection is served in order; one client's slow call delays nobody else.
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
from typing import TYPE_CHECKING, Any

from phsearch.errors import AlreadyRunningError, PhsearchError
from phsearch.wire import framing, jsonrpc
from phsearch.wire.jsonrpc import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phsearch.service.api import Caller
    from phsearch.service.events import Events

log = logging.getLogger("phsearch.server")

_CONNECTIONS = 256
_UCRED = struct.Struct("3i")


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
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
            listener.listen(_CONNECTIONS)
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
    """Serves the API on a listening socket."""

    def __init__(self, api: Caller, events: Events) -> None:
        self._api = api
        self._events = events
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept."""
        # Which calls listen() anew: from here on clients see that it is us who serve a socket made by systemd.
        self._server = await asyncio.start_unix_server(
            self._accept, sock=listener, limit=framing.MAX_LINE, backlog=_CONNECTIONS
        )

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def stop(self, patience: float = 2.0) -> None:
        """Accept no more, let answers under way go out, then close."""
        self._server.close()
        if self._connections:
            await asyncio.wait(self._connections, timeout=patience if self._answering() else 0)
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _answering(self) -> bool:
        return any(task.get_name() == "answering" for task in self._connections)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if not _same_user(writer):
                log.warning("refused a connection of another user")
                return
            if len(self._connections) > _CONNECTIONS:
                problem = RpcError("Busy", f"{_CONNECTIONS} clients are connected already", "try again in a moment")
                await _send(writer, jsonrpc.error(problem, None))
                return
            await self._converse(task, reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client left, or we do
        except Exception:
            log.exception("a connection ended in a bug")
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            task.set_name("listening")
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return  # a clean end, or half a request that nobody will finish
            except asyncio.LimitOverrunError:
                await _skip_line(reader)
                problem = RpcError("ParseError", f"a line may have {framing.MAX_LINE:,} bytes", "send shorter requests")
                await _send(writer, jsonrpc.error(problem, None))
                continue
            task.set_name("answering")
            if not line.strip():
                continue
            answer = await self._answer(line)
            if answer is None:
                continue
            if answer.get("result", {}).get("subscribed"):
                await self._stream(reader, writer, answer)
                return
            await _send(writer, answer)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
        """Send events until the client hangs up; whatever it still says is not read as a request."""
        with self._events.subscribe() as subscription:
            await _send(writer, answer)
            leaving = asyncio.ensure_future(_drained(reader))
            try:
                while True:
                    coming = asyncio.ensure_future(subscription.next())
                    await asyncio.wait((coming, leaving), return_when=asyncio.FIRST_COMPLETED)
                    if leaving.done():
                        coming.cancel()
                        return
                    await _send(writer, jsonrpc.notification("event", coming.result()))
            finally:
                leaving.cancel()

    async def _answer(self, line: bytes) -> dict[str, Any] | None:
        message: Any = None
        try:
            try:
                message = framing.decode(line)
            except ValueError:
                raise RpcError("ParseError", "the line is not JSON", "send one JSON object a line, in UTF-8") from None
            request = jsonrpc.parse_request(message)
            value = await self._api.call(request.method, request.params)
        except RpcError as error:
            return jsonrpc.error(error, jsonrpc.request_id(message))
        except Exception:
            log.exception("a call ended in a bug: %.200r", line)
            problem = RpcError(
                "InternalError", "phsearch failed to answer", "the daemon's log says more; please report it"
            )
            return jsonrpc.error(problem, jsonrpc.request_id(message))
        return None if request.notification else jsonrpc.result(value, request.id)


async def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(framing.encode(message))
    await writer.drain()


async def _skip_line(reader: asyncio.StreamReader) -> None:
    """Read a line that is too long to its end: hanging up on it would take our answer with it."""
    while True:
        try:
            await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            await reader.readexactly(error.consumed)
        else:
            return


async def _drained(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass


def _same_user(writer: asyncio.StreamWriter) -> bool:
    peer: socket.socket = writer.get_extra_info("socket")
    _pid, uid, _gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return bool(uid == os.getuid())
