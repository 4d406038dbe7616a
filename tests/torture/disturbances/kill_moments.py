"""The times of the kills, chosen so that they hit every phase of a daemon on any machine, fast or slow."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from torture.daemons.daemon import TestedDaemon

_POLL = 0.005


class KillMoments:
    """Waits for the time of the next kill; `slow` for a model that takes seconds to load."""

    def __init__(self, tested: TestedDaemon, rng: random.Random, *, slow: bool) -> None:
        self._tested = tested
        self._rng = rng
        self._slow = slow
        self._scale = 1.0 if slow else 0.15
        self._kinds: tuple[tuple[str, int], ...] = (
            ("starting", 15),
            ("loading", 15),
            ("embedding", 25),
            ("after embedding", 15),
            ("writing", 20),
            ("any time", 10),
        )

    def wait(self) -> str:
        """Wait, and return the name of the moment; return at once if the daemon ends."""
        names, weights = zip(*self._kinds, strict=True)
        (kind,) = self._rng.choices(names, weights)
        most = 15 * self._scale
        if kind != "starting":
            self._until(self._tested.answers, 20, every=0.05)
        match kind:
            case "starting":
                self._sleep(self._rng.uniform(0, 1.3))
            case "loading":
                self._sleep(self._rng.uniform(0.2, 6 * self._scale))
            case "embedding":
                self._until(self._embedded(self._rng.choice((1, 5, 17, 40))), most)
            case "after embedding":
                self._until(self._embedded(self._rng.choice((1, 10))), most)
                self._sleep(self._rng.uniform(0, 3 if self._slow else 1.5))
            case "writing":
                self._until(self._written(self._rng.choice((1, 1, 2, 5))), most)
                self._sleep(self._rng.uniform(0, 0.03))
            case _:
                self._sleep(self._rng.uniform(0, 10 * self._scale))
        return str(kind)

    def _embedded(self, more: int) -> Callable[[], bool]:
        wanted = len(self._tested.costs) + more
        return lambda: len(self._tested.costs) >= wanted

    def _written(self, more: int) -> Callable[[], bool]:
        """Return a condition: the index folder has changed a number of times."""
        wanted = self._changes() + more
        return lambda: self._changes() >= wanted

    def _changes(self) -> int:
        """Return the number of files that writes and optimizing leave behind."""
        return sum(len(names) for _, _, names in os.walk(self._tested.state / "index"))

    def _until(self, condition: Callable[[], bool], most: float, every: float = _POLL) -> None:
        deadline = time.monotonic() + most
        while time.monotonic() < deadline and self._tested.alive and not condition():
            time.sleep(every)

    def _sleep(self, seconds: float) -> None:
        self._until(lambda: False, seconds)
