"""Limits for all clients together: connections, subscribers of events, bytes, and time of the event loop.

Only the daemon's own user can connect, but not all programs of a user are careful. A client that does nothing must not
keep another one out, so the connection that has been idle for longest makes room. One that waits for an answer or for
events is not idle.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")

_TURN_SECONDS = 0.05
_PAUSE_SECONDS = 0.001


class Evictable(Protocol):
    """A connection that the limiter may close."""

    def close_with_error(self, reason: str) -> None:
        """Send a Busy error if the client reads, and close the connection."""


class ConnectionLimiter:
    """Counts what the clients take, and closes connections when it is too much."""

    def __init__(self, *, max_connections: int, max_subscribers: int, max_bytes: int) -> None:
        self.max_connections = max_connections
        self._max_subscribers = max_subscribers
        self._max_bytes = max_bytes
        self._bytes: dict[Evictable, int] = {}
        self._total_bytes = 0
        self._idle: dict[Evictable, None] = {}  # in the order in which they became idle
        self._subscribers: set[Evictable] = set()

    def __len__(self) -> int:
        return len(self._bytes)

    def admit(self, connection: Evictable) -> bool:
        """Add a connection, in place of the one that has been idle for longest if there are too many.

        Return False when there are too many and none is idle.
        """
        if len(self._bytes) >= self.max_connections:
            longest = next(iter(self._idle), None)
            if longest is None:
                return False
            self._evict(longest, f"{self.max_connections} clients are connected already")
        self._bytes[connection] = 0
        self._idle[connection] = None
        return True

    def release(self, connection: Evictable) -> None:
        """Remove a connection that is closed."""
        self._total_bytes -= self._bytes.pop(connection, 0)
        self._idle.pop(connection, None)
        self._subscribers.discard(connection)

    def mark_idle(self, connection: Evictable) -> None:
        """Note that the daemon waits for the client: for a request, or until an answer has been read."""
        if connection in self._bytes:
            self._idle[connection] = None

    def mark_busy(self, connection: Evictable) -> None:
        """Note that the client waits for the daemon."""
        self._idle.pop(connection, None)

    def subscribe(self, connection: Evictable) -> bool:
        """Add a subscriber of events. Return False when there are too many."""
        if len(self._subscribers) >= self._max_subscribers:
            return False
        self._subscribers.add(connection)
        return True

    def account_bytes(self, connection: Evictable, held: int) -> None:
        """Note how many bytes a connection holds, and close those that hold most while all hold too many."""
        if connection not in self._bytes:
            return
        self._total_bytes += held - self._bytes[connection]
        self._bytes[connection] = held
        while self._total_bytes > self._max_bytes:
            largest = max(self._bytes, key=self._bytes.__getitem__)
            self._evict(largest, "the daemon holds too much for its clients")

    def _evict(self, connection: Evictable, reason: str) -> None:
        self.release(connection)
        connection.close_with_error(reason)


class LoopLimiter:
    """Leaves half of the event loop's time to clients that send one small request at a time.

    Without it the median of an honest query rises to 11 times beside eight connections that send `status` requests as
    fast as they are read (from 5 to 56 ms), and to 9 times beside 200 that each send almost a mebibyte and no newline.
    With it that is less than 2 times (the benchmark `hostile`, rows "flood of 8" and "200 endless lines").
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._paused: deque[Callable[[], None]] = deque()

    async def run_in_turn(self, request: Coroutine[Any, Any, _T]) -> _T:
        """Run a request of a client that did not wait for the answer before, and return its result.

        One such request runs at a time, and then there is a pause as long as the request took. A long request lets
        others begin after 50 ms, for it costs the event loop little.
        """
        loop = asyncio.get_running_loop()
        task = None
        try:
            async with self._lock:
                start = loop.time()
                task = loop.create_task(request)
                await asyncio.wait({task}, timeout=_TURN_SECONDS)
                await asyncio.sleep(max(loop.time() - start, _PAUSE_SECONDS))
            return await task
        finally:
            if task is None:
                request.close()
            else:
                task.cancel()

    def read_in_turn(self, resume: Callable[[], None]) -> None:
        """Call `resume`, which reads the next part of a large request: one part of all such requests a millisecond."""
        self._paused.append(resume)
        if len(self._paused) == 1:
            self._schedule_read()

    def _schedule_read(self) -> None:
        asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._read_next)

    def _read_next(self) -> None:
        self._paused.popleft()()
        if self._paused:
            self._schedule_read()
