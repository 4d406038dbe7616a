"""How many photos a second are dealt with."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WINDOW = 60.0
_STEP = 0.5


class RateMeter:
    """Photos a second over the last minute of work: shorter times say more about batches than about the work."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self.last = 0.0

    def sample(self, done: int) -> float:
        """Note the number of photos done so far, and return photos per second."""
        now = self._clock()
        if len(self._samples) > 1 and self._samples[-1][0] < self._samples[-2][0] + _STEP:
            # Requests that come a thousand times a second must not fill the memory.
            self._samples.pop()
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW:  # noqa: PLR2004 - two make a rate
            self._samples.popleft()
        if len(self._samples) > 1 and self._samples[0][0] < now - 2 * _WINDOW:
            # No samples are taken while nothing is done, and the pause is not part of the work after it.
            self._samples.popleft()
        (then, before), (last, after) = self._samples[0], self._samples[-1]
        self.last = (after - before) / (last - then) if last > then else 0.0
        return self.last
