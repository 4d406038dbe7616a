"""The duration of a query over the socket, while nothing else runs and while photos are being indexed."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from typing import TYPE_CHECKING

from bench import library
from bench.context import LONG, idle, running, warm
from bench.photos import PhotoFeed
from bench.table import Measurement, Target, percentile
from phsearch.client import Client
from support.harness import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.context import BenchContext

_PAUSE = 0.05
_EMBEDDED = 64
"""The least photos embedded meanwhile; on a busy machine the niced worker may stand still for seconds."""

_WORDS = (
    ["a dog", "two children", "an old man", "my sister", "a red car", "a bicycle", "a boat", "a horse", "the cat"],
    ["running", "sleeping", "waiting", "jumping", "playing", "in the sun", "in the rain", "from above", "close up"],
    ["on a beach", "in the snow", "in a street", "at night", "by the sea", "under a tree", "in a kitchen"],
    ["black and white", "blurred", "at sunset", "in autumn", "with flowers", "with people watching", "in the fog"],
)


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Measure queries before, during and after indexing."""
    count = context.count(300, 40)
    daemon = library.large(context, "queries")
    feed = PhotoFeed(context.photos.small(160), daemon.photos, daemon.home / "staging")
    texts = distinct_texts()
    with running(daemon, *library.roots(context, daemon)):
        warm(daemon)
        with Client(daemon.socket, LONG) as client:
            quiet = _timed(client, texts, count // 2)
            again = _timed(client, itertools.repeat("a dog on a beach"), count // 2)
            feed.top_up(0)
            wait_until(lambda: daemon.status()["counters"]["embedded"] >= 32, "photos are being indexed", LONG)
            before = daemon.status()["counters"]["embedded"]
            busy: list[float] = []
            embedded = 0
            while embedded < _EMBEDDED:
                busy += _timed(client, texts, count, feed.top_up)
                embedded = daemon.status()["counters"]["embedded"] - before
            feed.withdraw()
            idle(daemon, library.SIZE)
            quiet += _timed(client, texts, count // 2)
    runs = f"{count} distinct texts on one connection, {_PAUSE * 1000:.0f} ms apart, {library.SIZE:,} photos"
    yield Measurement("query, idle, p50", statistics.median(quiet), "ms", note=runs)
    yield Measurement("query, idle, p95", percentile(quiet, 95), "ms")
    yield Measurement("query, asked again, p50", statistics.median(again), "ms", "idle", statistics.median(quiet))
    yield Measurement("query, indexing, p50", statistics.median(busy), "ms", "idle", statistics.median(quiet))
    yield Measurement(
        "query, indexing, p95",
        percentile(busy, 95),
        "ms",
        "idle",
        percentile(quiet, 95),
        Target("ratio", "<=", 2),
        f"{embedded} photos were embedded while {len(busy)} queries were asked",
    )


def distinct_texts() -> Iterator[str]:
    """Yield distinct queries of several lengths, so that no cache helps; the same ones in every run."""
    seeded = random.Random(0)
    for number in itertools.count():
        words = [seeded.choice(choice) for choice in _WORDS][: 1 + number % len(_WORDS)]
        yield f"{' '.join(words)} {number}"


def _timed(client: Client, texts: Iterator[str], count: int, after: Callable[[int], None] | None = None) -> list[float]:
    """Send `count` queries; return the milliseconds of each. `after` is called with the pending photos after each."""
    taken = []
    for text in itertools.islice(texts, count):
        start = time.perf_counter()
        answer = client.call("search", query=text)
        taken.append((time.perf_counter() - start) * 1000)
        if after is not None:
            if not answer["pending"]:
                raise RuntimeError("indexing came to an end while queries were timed")
            after(answer["pending"])
        time.sleep(_PAUSE)
    return taken
