"""What became of one kind of worker: how often it was started, and why it died."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Career:
    """Kept by whoever employs the worker."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.pid: int | None = None
        """The process, while there is one."""
        self.starts = 0
        self.deaths: Counter[str] = Counter()
        self.last_death = ""
        self.died_at: float | None = None

    def began(self, pid: int) -> None:
        """Note that a worker is ready."""
        self.pid = pid
        self.starts += 1

    def ended(self) -> None:
        """Note that there is none any more, for whatever reason."""
        self.pid = None

    def died(self, cause: str, reason: str) -> None:
        """Note an end that nobody wished."""
        self.deaths[cause] += 1
        self.last_death = reason
        self.died_at = self._clock()
