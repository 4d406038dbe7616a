"""One client's connection: lines in, answers out, in order; how long he may take, and how much is kept for him.

A client that says nothing, sends half a request, or does not read its answers costs a place and some kilobytes for a
while, and nobody else any time: one request is answered before the next is looked at, nothing is read while there is
enough to answer, and nothing is answered while the last answer has not gone out.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from phsearch.wire import framing, jsonrpc
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.line_buffer import TOO_LONG, LineBuffer

if TYPE_CHECKING:
    from phsearch.service.events import EventBus
    from phsearch.service.rpc.admission import ConnectionLimiter, FairQueue, ReadScheduler
    from phsearch.service.rpc.dispatcher import Dispatcher

log = logging.getLogger("phsearch.server")

FIRST_REQUEST_SECONDS = 60.0
"""Until a client has asked something. One that has may be silent for as long as there is room."""
REQUEST_SECONDS = 30.0
"""From the first byte of a request to its last."""
WRITE_SECONDS = 30.0
"""Until an answer has been taken."""
STREAM_WRITE_SECONDS = 600.0
"""The same for events: somebody may have stopped his terminal for a while."""
EVICTION_GRACE_SECONDS = 1.0
"""In which nobody is useless: what he says may be on its way."""
ANSWER_TIMEOUT_SECONDS = 30.0
"""Before somebody who waits for an answer may have to make room for others."""

_MUCH = 64 << 10
"""Bytes, of requests or of answers, that are kept without a thought."""


class Connection(asyncio.Protocol):
    """Serves one client; fills `crowd.Guest`."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        events: EventBus,
        limiter: ConnectionLimiter,
        turns: FairQueue,
        ration: ReadScheduler,
    ) -> None:
        self._dispatcher = dispatcher
        self._events = events
        self._limiter = limiter
        self._turns = turns
        self._ration = ration
        self._loop = asyncio.get_running_loop()
        self._line_buffer = LineBuffer()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._taken.set()
        self._input_closed = False  # nothing the client still says is a request
        self._streaming = False
        self._asked = False
        self._since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self.answering = False
        self.served: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve, if there is room."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_MUCH)
        if not self._limiter.admit(self):
            self.close_with_error(f"{self._limiter.most} clients are connected already")
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
        """Take what the client says."""
        if self._input_closed:
            return
        before = self._line_buffer.begun
        self._line_buffer.feed_bytes(data)
        if self._line_buffer.whole:
            self._arrived.set()
            if len(self._line_buffer) > _MUCH:
                self._transport.pause_reading()
        elif not before and self._line_buffer.begun and not self.answering:
            self._start_timer(REQUEST_SECONDS, "a request was not finished")
        if len(self._line_buffer) > _MUCH or self._line_buffer.skipping:
            self._limiter.account(len(data))
            if not self._line_buffer.whole:
                self._transport.pause_reading()
                self._ration.queue(self._transport.resume_reading)

    def eof_received(self) -> bool:
        """Keep the line open: what was asked is still answered."""
        if self._input_closed:
            return False
        self._input_closed = True
        self._arrived.set()
        return True

    def pause_writing(self) -> None:
        """Note that answers pile up."""
        self._taken.clear()

    def resume_writing(self) -> None:
        """Note that they are taken again."""
        self._taken.set()

    @property
    def eviction_key(self) -> tuple[int, float] | None:
        """Since when the client may be asked to leave, the first to go first; None while it waits for something."""
        age = self._loop.time() - self._since
        if not self.answering or not self._taken.is_set():
            useful = self._asked and self._taken.is_set() and not self._line_buffer.begun
            return (1 if useful or age < EVICTION_GRACE_SECONDS else 0), self._since
        return (2, self._since) if age > ANSWER_TIMEOUT_SECONDS and not self._streaming else None

    @property
    def buffered_bytes(self) -> int:
        """Bytes kept for the client."""
        return len(self._line_buffer) + self._transport.get_write_buffer_size()

    def close_with_error(self, reason: str) -> None:
        """Hang up, after saying why if the client listens."""
        if self.served is not None:
            self.served.cancel()
        if self._transport.get_write_buffer_size() == 0 and not self._transport.is_closing():
            self._transport.write(framing.encode(_busy(reason)))
        self.close()

    def close(self) -> None:
        """Hang up; what the client has not taken by now it will not get."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    async def _serve(self) -> None:
        try:
            while (line := await self._line()) is not None:
                await self._answer(line)
        except TimeoutError:
            log.debug("a client did not take its answer")
        except asyncio.CancelledError:
            return
        except Exception:
            log.exception("a connection ended in a bug")
        self.close()

    async def _line(self) -> bytes | str | None:
        """Wait for a line; None once there will be no more. Whoever has one waiting already waits for a turn."""
        self.answering = False
        self._since = self._loop.time()
        if self._line_buffer.begun:
            self._start_timer(REQUEST_SECONDS, "a request was not finished")
        while not self._line_buffer.whole:
            self._arrived.clear()
            if self._input_closed:
                return None
            await self._arrived.wait()
        self._cancel_timer()
        self.answering = self._asked = True
        self._since = self._loop.time()
        line = self._line_buffer.pop_line()
        if len(self._line_buffer) <= _MUCH or not self._line_buffer.whole:
            self._transport.resume_reading()
        return line

    async def _answer(self, line: bytes | str) -> None:
        if line == TOO_LONG:
            await self._send(_too_long())
            return
        assert isinstance(line, bytes)
        if not line.strip():
            return
        if self._line_buffer.whole:
            async with self._turns.acquire():
                answer = await self._dispatcher.handle_line(line)
        else:
            answer = await self._dispatcher.handle_line(line)
        if answer is None:
            return
        if answer.get("result", {}).get("subscribed"):
            await self._stream(answer)
        else:
            await self._send(answer)

    async def _stream(self, answer: dict[str, Any]) -> None:
        """Send events until the client hangs up; whatever it still says is not read as a request."""
        if not self._limiter.subscribe(self):
            await self._send(_busy("too many clients follow events already"))
            return
        with self._events.subscribe() as subscription:
            await self._send(answer)
            if self._input_closed:  # it has hung up already, and would not be noticed to be gone
                return
            self._input_closed = self._streaming = True
            self._line_buffer = LineBuffer()
            self._transport.resume_reading()
            while True:
                await self._send(jsonrpc.notification("event", await subscription.next()), STREAM_WRITE_SECONDS)

    async def _send(self, message: dict[str, Any], patience: float | None = None) -> None:
        """Send, and wait until most of it is taken. Raises TimeoutError."""
        self._transport.write(framing.encode(message))
        if self._taken.is_set():
            return
        self._since = self._loop.time()
        self._limiter.account(_MUCH)
        async with asyncio.timeout(WRITE_SECONDS if patience is None else patience):
            await self._taken.wait()

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
