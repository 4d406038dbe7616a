"""Save to findable: the time from when a program has saved a photo until a search can find it."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from bench.context import LONG, idle, running, warm
from bench.photos import linked, unique
from bench.table import Measurement, Target, percentile
from phsearch.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.context import BenchContext

_POLL = 0.05
_WHOLE_LIBRARY = 500


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Save photos one by one into a warm daemon's folder."""
    count = context.count(40, 20)
    photos = context.photos.small(32)
    daemon = context.daemon("freshness")
    linked(photos, daemon.photos / "known")
    taken = []
    with running(daemon), Client(daemon.socket, LONG) as client:
        warm(daemon)
        idle(daemon, len(photos))
        context.learn(daemon)
        for number in range(count):
            data = unique(photos[number % len(photos)].read_bytes())
            taken.append(_findable_after(client, daemon.photos / f"new-{number}.jpg", data))
            idle(daemon, len(photos) + number + 1)
    how = f"{count} photos one by one, by close-write; searched every {_POLL * 1000:.0f} ms"
    yield Measurement("save to findable, p50", statistics.median(taken), "s", note=how)
    yield Measurement("save to findable, p95", percentile(taken, 95), "s", target=Target("value", "<=", 2.5))


def _findable_after(client: Client, path: Path, data: bytes) -> float:
    path.write_bytes(data)
    start = time.perf_counter()
    while True:
        hits = client.call("search", query="a photo", limit=_WHOLE_LIBRARY)["hits"]
        if any(hit["path"] == str(path) for hit in hits):
            return time.perf_counter() - start
        if time.perf_counter() - start > LONG:
            raise TimeoutError(f"{path} is not findable after {LONG} s")
        time.sleep(_POLL)
