"""The time from the start of the daemon to its first answer, with ten thousand photos in the index."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from bench import library
from bench.context import first_answer, running
from bench.table import Measurement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import BenchContext


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Start the daemon, ask, and stop it, a few times."""
    rounds = context.count(5, 2)
    daemon = library.large(context, "startup")
    to_status, to_query, to_end = [], [], []
    for _ in range(rounds):
        start = time.perf_counter()
        with running(daemon, *library.roots(context, daemon)):
            to_status.append(time.perf_counter() - start)
            first_answer(daemon, "beach sunset")
            to_query.append(time.perf_counter() - start)
            ending = time.perf_counter()
        to_end.append(time.perf_counter() - ending)
    runs = f"medians of {rounds} starts, {library.SIZE:,} photos, files in the page cache"
    yield Measurement("start to first status", statistics.median(to_status), "s", note=runs)
    yield Measurement("start to first query", statistics.median(to_query), "s")
    yield Measurement("stop", statistics.median(to_end), "s")
