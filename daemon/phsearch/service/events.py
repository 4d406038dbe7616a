"""Live events for subscribers. A subscriber that does not keep up loses events; it never delays the daemon."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from phsearch.wire.results.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_QUEUED = 1000


class Subscription:
    """One subscriber's events, oldest first."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(_QUEUED)
        self._dropped = 0

    def put(self, event: Mapping[str, Any]) -> None:
        """Queue the members of an event, or count it as dropped."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._dropped += 1

    def discard_all(self) -> bool:
        """Drop the events that wait, and return whether there were any."""
        found = bool(self._dropped) or not self._queue.empty()
        while not self._queue.empty():
            self._queue.get_nowait()
        self._dropped = 0
        return found

    async def next(self) -> Event:
        """Wait for the next event. One of type "dropped" counts the events that were lost before it."""
        if self._dropped and self._queue.empty():
            lost, self._dropped = self._dropped, 0
            return Event(type="dropped", count=lost)
        return Event(**await self._queue.get())


class EventBus:
    """Hands every event to all subscribers, and sets `activity` at each."""

    def __init__(self, activity: asyncio.Event | None = None) -> None:
        self._subscriptions: set[Subscription] = set()
        self._activity = activity or asyncio.Event()

    def publish(self, kind: str, path: str, **more: str) -> None:
        """Queue an event for all subscribers, and set `activity`. `more` are members of `Event`."""
        self._activity.set()
        for subscription in self._subscriptions:
            subscription.put({"type": kind, "path": path, **more})

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Subscribe while the context lasts."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
