"""One limit for all clients: connections, subscribers of events, and bytes.

Only the daemon's own user can connect, but not all programs of a user are careful. A client that does nothing must not
keep another one out, so the connection that has been idle for longest makes room. One that waits for an answer or for
events is not idle.
"""

from __future__ import annotations

from typing import Protocol


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
