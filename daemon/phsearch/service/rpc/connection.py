"""One client's connection: lines in, answers out, in order.

A client that sends nothing, sends half a request, or does not read its answers costs a place and some kilobytes for a
while, and costs other clients no time. One request is answered before the next is looked at. Nothing more is read while
enough requests wait, and nothing more is answered while the last answer has not been read.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from phsearch.wire import framing, jsonrpc
from phsearch.wire.framing import TOO_LONG, LineBuffer
from phsearch.wire.jsonrpc import RpcError

if TYPE_CHECKING:
    from phsearch.service.events import EventBus
    from phsearch.service.rpc.admission import ConnectionLimiter, LoopLimiter
    from phsearch.service.rpc.dispatcher import Dispatcher

log = logging.getLogger("phsearch.server")

FIRST_REQUEST_SECONDS = 60.0
"""Until a client has sent its first request. After that it may be silent for as long as there is room."""
REQUEST_SECONDS = 30.0
"""From the first byte of a request to its last."""
WRITE_SECONDS = 30.0
"""Until an answer has been read."""
STREAM_WRITE_SECONDS = 600.0
"""The same for events: the user may have stopped the terminal for a while."""

_BUFFER_BYTES = 64 << 10
"""Requests that wait, or answers that are not read, up to which a connection goes on reading or answering."""


class Connection(asyncio.Protocol):
    """Serves one client."""

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        events: EventBus,
        limiter: ConnectionLimiter,
        loop_limiter: LoopLimiter,
    ) -> None:
        self._dispatcher = dispatcher
        self._events = events
        self._limiter = limiter
        self._loop_limiter = loop_limiter
        self._loop = asyncio.get_running_loop()
        self._line_buffer = LineBuffer()
        self._received = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._input_closed = False  # nothing that still arrives is a request
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self.answering = False
        self.served: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve, if there is room."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_BUFFER_BYTES)
        if not self._limiter.admit(self):
            self.close_with_error(f"{self._limiter.max_connections} clients are connected already")
            return
        self._start_timer(FIRST_REQUEST_SECONDS, "nothing was asked")
        self.served = self._loop.create_task(self._serve())

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the client."""
        self._limiter.release(self)
        self._cancel_timer()
        if self.served is not None:
            self.served.cancel()

    def data_received(self, data: bytes) -> None:
        """Buffer what has arrived."""
        if self._input_closed:
            return
        was_partial = self._line_buffer.has_partial_line
        self._line_buffer.feed_bytes(data)
        if self._line_buffer.has_line:
            self._received.set()
        elif self._line_buffer.has_partial_line and not was_partial and not self.answering:
            self._start_timer(REQUEST_SECONDS, "a request was not finished")
        if len(self._line_buffer) > _BUFFER_BYTES or self._line_buffer.is_skipping:
            self._transport.pause_reading()
            if not self._line_buffer.has_line:
                self._loop_limiter.read_in_turn(self._transport.resume_reading)
        self._account_bytes()

    def eof_received(self) -> bool:
        """Keep the connection open: requests that have arrived are still answered."""
        if self._input_closed:
            return False
        self._input_closed = True
        self._received.set()
        return True

    def pause_writing(self) -> None:
        """Note that answers pile up."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self._writable.set()

    def close_with_error(self, reason: str) -> None:
        """Send a Busy error if the client reads, and close the connection."""
        if self.served is not None:
            self.served.cancel()
        if self._transport.get_write_buffer_size() == 0 and not self._transport.is_closing():
            self._transport.write(framing.encode(_busy(reason)))
        self.close()

    def close(self) -> None:
        """Close the connection. What the client has not read by now is lost."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    async def _serve(self) -> None:
        try:
            while (line := await self._next_line()) is not None:
                await self._answer(line)
        except TimeoutError:
            log.debug("a client did not read its answer")
        except asyncio.CancelledError:
            return
        except Exception:
            log.exception("a connection ended in a bug")
        self.close()

    async def _next_line(self) -> bytes | str | None:
        """Wait for a line. Return None when there will be no more."""
        self.answering = False
        self._limiter.mark_idle(self)
        if self._line_buffer.has_partial_line:
            self._start_timer(REQUEST_SECONDS, "a request was not finished")
        while not self._line_buffer.has_line:
            self._received.clear()
            if self._input_closed:
                return None
            await self._received.wait()
        self._cancel_timer()
        self.answering = True
        self._limiter.mark_busy(self)
        line = self._line_buffer.pop_line()
        if len(self._line_buffer) <= _BUFFER_BYTES or not self._line_buffer.has_line:
            self._transport.resume_reading()
        self._account_bytes()
        return line

    async def _answer(self, line: bytes | str) -> None:
        if line == TOO_LONG:
            await self._send(_too_long())
            return
        assert isinstance(line, bytes)
        if not line.strip():
            return
        request = self._dispatcher.handle_line(line)
        answer = await (self._loop_limiter.run_in_turn(request) if self._line_buffer.has_line else request)
        if answer is None:
            return
        if answer.get("result", {}).get("subscribed"):
            await self._stream(answer)
        else:
            await self._send(answer)

    async def _stream(self, answer: dict[str, Any]) -> None:
        """Send events until the client closes the connection. Whatever it still sends is no request."""
        if not self._limiter.subscribe(self):
            await self._send(_busy("too many clients follow events already"))
            return
        with self._events.subscribe() as subscription:
            await self._send(answer)
            if self._input_closed:  # it is closed already, and its end would not be noticed
                return
            self._input_closed = True
            self._line_buffer = LineBuffer()
            self._transport.resume_reading()
            while True:
                event = (await subscription.next()).json_members()
                await self._send(jsonrpc.notification("event", event), STREAM_WRITE_SECONDS)

    async def _send(self, message: dict[str, Any], patience: float | None = None) -> None:
        """Send, and wait until most of it is read. Raises TimeoutError."""
        self._transport.write(framing.encode(message))
        if self._writable.is_set():
            return
        self._account_bytes()
        self._limiter.mark_idle(self)
        async with asyncio.timeout(WRITE_SECONDS if patience is None else patience):
            await self._writable.wait()
        self._limiter.mark_busy(self)
        self._account_bytes()

    def _account_bytes(self) -> None:
        self._limiter.account_bytes(self, len(self._line_buffer) + self._transport.get_write_buffer_size())

    def _start_timer(self, seconds: float, otherwise: str) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(seconds, self.close_with_error, f"{otherwise} within {seconds:g} s")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _too_long() -> dict[str, Any]:
    problem = RpcError("ParseError", f"a line may have {framing.MAX_LINE:,} bytes", "send shorter requests")
    return jsonrpc.error(problem, None)


def _busy(reason: str) -> dict[str, Any]:
    return jsonrpc.error(RpcError("Busy", reason, "try again in a moment"), None)
