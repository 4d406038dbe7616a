"""Whose request is next: those who ask one thing at a time go at once, those who send many wait in one line.

A flood over any number of connections then costs an honest client one request of it at most.
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
        try:
            yield
        finally:
            limit.cancel()
            # A round of the loop for everybody else, and one for what has arrived in it.
            loop.call_soon(loop.call_soon, kept.release)

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
