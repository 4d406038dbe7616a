"""All connections, and who has to go when there are too many of them or they hold too much.

Only the daemon's own user can connect, but not all of his programs are careful. So nobody is turned away for others
who do nothing: when the house is full the one who has been silent for longest leaves, first those who never asked
anything. Whoever waits for an answer, or for events, stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

# Whose request is next: those who ask one thing at a time go at once, those who send many wait in one line.
#
# A flood over any number of connections then costs an honest client one request of it at most, and as much time passes
# before the next as that one took: half of the loop's time is for the others.


_LONGEST = 0.05
"""Seconds a request may keep the line: one that takes minutes is no flood."""
_SHORTEST = 0.001


class FairQueue:
    """One line, first come, first served."""

    def __init__(self) -> None:
        self._line: deque[asyncio.Future[None]] = deque()
        self._taken = False

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        """Wait for one's turn, and keep it while the context lasts, or for a moment."""
        loop = asyncio.get_running_loop()
        if self._taken:
            mine: asyncio.Future[None] = loop.create_future()
            self._line.append(mine)
            try:
                await mine
            except asyncio.CancelledError:
                if not mine.cancelled():  # called and cancelled in one round: the turn is the next one's
                    self._next()
                raise
        self._taken = True
        kept = _Slot(self._next)
        limit = loop.call_later(_LONGEST, kept.release)
        began = loop.time()
        try:
            yield
        finally:
            limit.cancel()
            loop.call_later(max(loop.time() - began, _SHORTEST), kept.release)

    def _next(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False


class _Slot:
    """A turn that can be given up once."""

    def __init__(self, following: Callable[[], None]) -> None:
        self._following: Callable[[], None] | None = following

    def release(self) -> None:
        following, self._following = self._following, None
        if following is not None:
            following()


class ReadScheduler:
    """Long requests are read a piece at a time, and one of all connections' after the other."""

    def __init__(self) -> None:
        self._line: deque[Callable[[], None]] = deque()

    def queue(self, read: Callable[[], None]) -> None:
        """Have one piece read when it is its turn."""
        self._line.append(read)
        if len(self._line) == 1:
            asyncio.get_running_loop().call_later(_SHORTEST, self._next)

    def _next(self) -> None:
        self._line.popleft()()
        if self._line:
            asyncio.get_running_loop().call_later(_SHORTEST, self._next)


_STEPS = 32


class Evictable(Protocol):
    """A connection, as far as it takes room."""

    @property
    def eviction_key(self) -> tuple[int, float] | None:
        """Since when it may be asked to leave, the least to go first; None while it waits for something."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes kept for it: requests not answered and answers not taken."""

    def close_with_error(self, reason: str) -> None:
        """Hang up, after saying why if the client listens."""


class ConnectionLimiter:
    """Counts connections and bytes. Making room for one costs a look at all, and only happens when there is none."""

    def __init__(self, most: int, most_bytes: int, most_subscribers: int) -> None:
        self.most = most
        self._most_bytes = most_bytes
        self._most_subscribers = most_subscribers
        self._connections: set[Evictable] = set()
        self._subscribers: set[Evictable] = set()
        self._unweighed = 0

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Evictable]:
        return iter(list(self._connections))

    def admit(self, connection: Evictable) -> bool:
        """Let one in, if need be for another; False when all that are there wait for something."""
        if len(self._connections) >= self.most and not self._make_room(
            self._connections, f"{self.most} clients are connected already"
        ):
            return False
        self._connections.add(connection)
        return True

    def release(self, connection: Evictable) -> None:
        """Forget one."""
        self._connections.discard(connection)
        self._subscribers.discard(connection)

    def subscribe(self, connection: Evictable) -> bool:
        """Let one stay for events; False when there are enough of those."""
        if len(self._subscribers) >= self._most_subscribers and not self._make_room(
            self._subscribers, "too many follow"
        ):
            return False
        self._subscribers.add(connection)
        return True

    def account(self, more: int) -> None:
        """Dismiss those who hold the most until what is held is bearable; `more` bytes came for one who holds much."""
        self._unweighed += more
        if self._unweighed < self._most_bytes // _STEPS:
            return
        self._unweighed = 0
        total = sum(connection.buffered_bytes for connection in self._connections)
        for connection in sorted(self._connections, key=lambda connection: connection.buffered_bytes, reverse=True):
            if total <= self._most_bytes:
                return
            total -= connection.buffered_bytes
            self.release(connection)
            connection.close_with_error("the daemon holds too much for its clients")

    def _make_room(self, among: set[Evictable], reason: str) -> bool:
        silent = ((since, connection) for connection in among if (since := connection.eviction_key) is not None)
        # Some at once: looking at all of them for each that comes would be what holds up the others.
        longest = heapq.nsmallest(max(self.most // _STEPS, 1), silent, key=lambda each: each[0])
        for _, connection in longest:
            self.release(connection)
            connection.close_with_error(reason)
        return bool(longest)
