"""Watches a worker while it holds photos: whether one of them takes too long or too much memory.

The time is that of a clock which stands still while the daemon does not run, so that a daemon that was stopped for a
minute does not take its own sleep for the worker's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain import deaths

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.batching import Batcher
    from phsearch.domain.deaths import Death

LOOK_SECONDS = 0.1
"""How often to look: what eats memory fills a gigabyte in half a second."""

_LONGEST_STEP = 1.0
_MODEL_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker may take. `memory` gives a process's bytes, `allowed` the most it may have from what it has now."""

    patience: float
    memory: Callable[[int], int]
    allowed: Callable[[int], int]

    @property
    def longest(self) -> float:
        """How long a worker may say nothing: a large model on a small processor takes its time over a batch."""
        return self.patience * _MODEL_PATIENCE


class Overseer:
    """One worker's."""

    def __init__(self, pid: int, limits: Limits, batcher: Batcher, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid = pid
        self._limits = limits
        self._batcher = batcher
        self._clock = clock
        self._last = clock()
        self._now = 0.0
        self._heard = 0.0
        self.allowed = limits.allowed(limits.memory(pid))
        self.late: list[str] = []
        """Photos that the last sentence was for, where they are known."""
        self.talked = False
        """Whether the worker ever gave a sign of life."""

    @property
    def now(self) -> float:
        """Seconds that the daemon has been running since the worker was hired."""
        before, self._last = self._last, self._clock()
        self._now += min(self._last - before, _LONGEST_STEP)
        return self._now

    def given(self) -> None:
        """Note that the worker got something to do."""
        self._heard = self.now

    def heard(self) -> None:
        """Note a sign of life."""
        self._heard = self.now
        self.talked = True

    def sentence(self) -> Death | None:
        """Look once; gives why the worker must be ended, if it must."""
        self.late = []
        now = self.now
        if not self._batcher.busy:
            return None
        if self._limits.memory(self._pid) > self.allowed:
            return deaths.overfed(self.allowed)
        self.late = self._batcher.late(now - self._limits.patience)
        if self.late:
            return deaths.hung(self._limits.patience)
        silent = not self._batcher.decoding and now - self._heard > self._limits.longest
        return deaths.silent(self._limits.longest) if silent else None
