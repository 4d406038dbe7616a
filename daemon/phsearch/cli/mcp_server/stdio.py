"""stdin and stdout as the streams of the SDK.

The SDK's own reader cannot be interrupted: after Ctrl-C, or when stdout is closed, the process would stay until the
next line. And at the end of stdin the SDK drops the requests in hand. Here they are answered first, and no handshake is
required, so that a request can be piped in.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from mcp import types
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    Received = SessionMessage | Exception
    Streams = tuple[MemoryObjectReceiveStream[Received], MemoryObjectSendStream[SessionMessage]]

_T = TypeVar("_T")
_INITIALIZED = types.JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")


async def run_in_thread(work: Callable[[], _T]) -> _T:
    """Return what `work` returns, from a thread that does not keep the process alive when nobody waits for it."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as problem:  # noqa: BLE001 - raised again where the result is awaited
            with suppress(InvalidStateError):
                future.set_exception(problem)
        else:
            with suppress(InvalidStateError):
                future.set_result(result)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(future)


@asynccontextmanager
async def open_streams() -> AsyncIterator[Streams]:
    """Open the stream of messages from stdin, and the one of messages to stdout."""
    unanswered = _Unanswered()
    # Neither `sys.stdin` nor closed here: both would wait for the lock of a stream that a thread reads.
    stdin = open(0, encoding="utf-8-sig", errors="replace", closefd=False)  # noqa: ASYNC230, SIM115
    async with stdio_server(_Stdin(stdin)) as (read_stream, write_stream), anyio.create_task_group() as group:
        to_server, incoming = anyio.create_memory_object_stream["Received"]()
        outgoing, from_server = anyio.create_memory_object_stream[SessionMessage]()
        group.start_soon(unanswered.relay_requests, read_stream, to_server)
        group.start_soon(unanswered.relay_answers, from_server, write_stream)
        yield incoming, outgoing


class _Stdin(anyio.AsyncFile[str]):
    """Standard input, whose reading can be given up."""

    async def readline(self) -> str:
        """Return the next line; "" at the end."""
        return await run_in_thread(self.wrapped.readline)


class _Unanswered:
    """The requests that wait for their answers. The stream of requests ends only when there are none."""

    def __init__(self) -> None:
        self._ids: set[str] = set()  # the SDK, too, takes "7" and 7 for the same
        self._none_left = asyncio.Event()

    async def relay_requests(self, source: Any, target: MemoryObjectSendStream[Received]) -> None:
        """Pass on what is read until the end, and end after the last answer."""
        opened = False
        async with source, target:
            async for item in source:
                match getattr(item, "message", None):
                    case types.JSONRPCRequest(id=id_) as request:
                        if not (opened or _opens_session(request)):
                            await target.send(SessionMessage(_INITIALIZED))
                        opened = True
                        self._ids.add(str(id_))
                    case types.JSONRPCNotification(method="notifications/cancelled", params={"requestId": id_}):
                        self._ids.discard(str(id_))
                await target.send(item)
            while self._ids:
                self._none_left.clear()
                await self._none_left.wait()

    async def relay_answers(self, source: MemoryObjectReceiveStream[Any], target: Any) -> None:
        """Pass on what is to be written."""
        async with source, target:
            async for item in source:
                await target.send(item)
                self._ids.discard(str(item.message.id))
                if not self._ids:
                    self._none_left.set()


def _opens_session(request: types.JSONRPCRequest) -> bool:
    """Whether a first request is a handshake, or says by itself what a handshake would."""
    return request.method == "initialize" or "_meta" in (request.params or {})
