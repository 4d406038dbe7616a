"""Measures on which stages a worker spends its time, over several threads; reported batch by batch."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StageTimer:
    """Sums of seconds and counts, by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: Counter[str] = Counter()

    def add_amount(self, name: str, amount: float) -> None:
        """Add seconds or a count."""
        with self._lock:
            self._sums[name] += amount  # type: ignore[assignment] # a Counter of floats adds as well

    @contextlib.contextmanager
    def timed_thread(self, name: str, processor: str) -> Iterator[None]:
        """Add the seconds that the body takes to `name`, and those in which this thread had a processor to another."""
        start = time.thread_time()
        with self.timed(name):
            yield
        self.add_amount(processor, time.thread_time() - start)

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the seconds that the body of the `with` takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add_amount(name, time.perf_counter() - start)

    def take_sums(self) -> dict[str, float]:
        """Return the sums since the last call, and start again at zero."""
        with self._lock:
            sums, self._sums = self._sums, Counter()
        return {name: round(amount, 6) for name, amount in sums.items()}
