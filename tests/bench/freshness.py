"""Save to findable: from the moment a program has saved a photo until a search can find it."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from bench.kit import LONG, idle, running, warm
from bench.photos import linked, unique
from bench.table import Aim, Figure, percentile
from phsearch.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.kit import Kit

_POLL = 0.05
_WHOLE_LIBRARY = 500


def measure(kit: Kit) -> Iterator[Figure]:
    """Save photos one by one into a warm daemon's folder."""
    count = kit.count(40, 20)
    photos = kit.photos.small(32)
    daemon = kit.daemon("freshness")
    linked(photos, daemon.photos / "known")
    taken = []
    with running(daemon), Client(daemon.socket, LONG) as client:
        warm(daemon)
        idle(daemon, len(photos))
        kit.learn(daemon)
        for number in range(count):
            data = unique(photos[number % len(photos)].read_bytes())
            taken.append(_findable_after(client, daemon.photos / f"new-{number}.jpg", data))
            idle(daemon, len(photos) + number + 1)
    how = f"{count} photos one by one, by close-write; searched every {_POLL * 1000:.0f} ms"
    yield Figure("save to findable, p50", statistics.median(taken), "s", note=how)
    yield Figure("save to findable, p95", percentile(taken, 95), "s", aim=Aim("value", "<=", 2.5))


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
