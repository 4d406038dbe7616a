"""Whose request is next: those who ask one thing at a time go at once, those who send many wait in one line.

A flood over any number of connections then costs an honest client one request of it at most, and as much time passes
before the next as that one took: half of the loop's time is for the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_LONGEST = 0.05
"""Seconds a request may keep the line: one that takes minutes is no flood."""
_SHORTEST = 0.001


class Turns:
    """One line, first come, first served."""

    def __init__(self) -> None:
        self._line: deque[asyncio.Future[None]] = deque()
        self._taken = False

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
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
        kept = _Kept(self._next)
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


class _Kept:
    """A turn that can be given up once."""

    def __init__(self, following: Callable[[], None]) -> None:
        self._following: Callable[[], None] | None = following

    def release(self) -> None:
        following, self._following = self._following, None
        if following is not None:
            following()


class Ration:
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
