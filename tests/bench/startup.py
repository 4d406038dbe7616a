"""How long after its start the daemon answers, with ten thousand photos to know."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from bench import library
from bench.kit import first_answer, running
from bench.table import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.kit import Kit


def measure(kit: Kit) -> Iterator[Figure]:
    """Start, ask, stop, a few times over."""
    rounds = kit.count(5, 2)
    daemon = library.large(kit, "startup")
    to_status, to_query, to_end = [], [], []
    for _ in range(rounds):
        start = time.perf_counter()
        with running(daemon, *library.roots(kit, daemon)):
            to_status.append(time.perf_counter() - start)
            first_answer(daemon, "beach sunset")
            to_query.append(time.perf_counter() - start)
            ending = time.perf_counter()
        to_end.append(time.perf_counter() - ending)
    runs = f"medians of {rounds} starts, {library.SIZE:,} photos, files in the page cache"
    yield Figure("start to first status", statistics.median(to_status), "s", note=runs)
    yield Figure("start to first query", statistics.median(to_query), "s")
    yield Figure("stop", statistics.median(to_end), "s")
