"""Memory of each process: at rest with ten thousand photos, after ten thousand queries, and at its peak while indexing.

RSS is the value that `ps` shows, and counts shared pages in every process. Sums are of PSS, which divides them.
"""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import psutil

from bench import library
from bench.context import INDEX, LONG, MAIN, QUERY, idle, processes, running, say, warm
from bench.measures.queries import distinct_texts
from bench.photos import linked
from bench.table import Measurement, Target
from phsearch.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import BenchContext
    from support.harness import Daemon

_MB = 1e6
_CORES = 2
_CONNECTIONS = 4
_GROWTH = 10
"""MB that an allocator may take in 10,000 queries without a leak: one kilobyte a query."""


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Measure one daemon at rest, then with queries, then with new photos."""
    with _two_cores():
        # Libraries count the cores of the machine and not of the process, so the number of threads is set.
        daemon = library.large(context, "memory", index={"decode_threads": _CORES})
        with running(daemon, *library.roots(context, daemon)):
            warm(daemon)
            rest = usage(daemon)
            aims = {MAIN: Target("value", "<=", 350), QUERY: Target("value", "<=", 700)}
            for name, aim in aims.items():
                rss, pss = rest[name]
                note = f"PSS {pss:.0f} MB; {library.SIZE:,} photos, at rest"
                yield Measurement(f"memory, {name}", rss, "MB", target=aim, note=note)
            yield from _growth(context, daemon)
            yield from _indexing(context, daemon)


def usage(daemon: Daemon) -> dict[str, tuple[float, float]]:
    """Return RSS and PSS of each process of a daemon, in MB."""
    found = {}
    for name, pid in processes(daemon).items():
        with contextlib.suppress(psutil.NoSuchProcess):
            found[name] = _memory(pid)
    return found


def _growth(context: BenchContext, daemon: Daemon) -> Iterator[Measurement]:
    warm_up, queries = context.count(500, 200), context.count(10_000, 1_000)
    texts = distinct_texts()
    _ask(daemon, texts, warm_up)
    steps = [usage(daemon)]
    for _ in range(4):
        _ask(daemon, texts, queries // 4)
        steps.append(usage(daemon))
        say(f"  {', '.join(f'{name} {rss:.1f} MB' for name, (rss, _) in steps[-1].items())}")
    for name in (MAIN, QUERY):
        sizes = [step[name][0] for step in steps]
        listed = ", ".join(f"{size:.1f}" for size in sizes)
        yield Measurement(
            f"growth, {name}, {queries:,} queries",
            sizes[-1] - sizes[0],
            "MB",
            target=Target("value", "<=", _GROWTH),
            note=f"RSS after {warm_up} queries and each further quarter: {listed}",
        )


def _ask(daemon: Daemon, texts: Iterator[str], count: int) -> None:
    shares = [[next(texts) for _ in range(count // _CONNECTIONS)] for _ in range(_CONNECTIONS)]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for done in [pool.submit(_ask_all, daemon, share) for share in shares]:
            done.result()


def _ask_all(daemon: Daemon, texts: list[str]) -> None:
    with Client(daemon.socket, LONG) as client:
        for text in texts:
            client.call("search", query=text)


def _indexing(context: BenchContext, daemon: Daemon) -> Iterator[Measurement]:
    photos = context.photos.large(context.count(96, 24))
    linked(photos, daemon.home / "new").rename(daemon.photos / "new")
    with MemorySampler(daemon) as sampler:
        idle(daemon, library.SIZE + len(photos))
    for name in (MAIN, QUERY, INDEX):
        aims = {MAIN: Target("value", "<=", 350), QUERY: Target("value", "<=", 700)}
        yield Measurement(f"memory, {name}, peak indexing", sampler.peaks.get(name, 0.0), "MB", target=aims.get(name))
    yield Measurement(
        "memory, all, peak indexing",
        sampler.together,
        "MB",
        target=Target("value", "<=", 2500),
        note=f"sum of PSS, of {sampler.samples} samples; {len(photos)} photos of 12 megapixels, "
        f"{sum(path.stat().st_size for path in photos) / len(photos) / _MB:.1f} MB each, on {_CORES} cores",
    )


class MemorySampler:
    """Samples a daemon's memory in a thread."""

    _EVERY = 0.1

    def __init__(self, daemon: Daemon) -> None:
        self.peaks: dict[str, float] = {}
        self.together = 0.0
        self.samples = 0
        self._daemon = daemon
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._EVERY):
            try:
                found = usage(self._daemon)
            except (psutil.NoSuchProcess, FileNotFoundError):
                return
            for name, (rss, _) in found.items():
                self.peaks[name] = max(rss, self.peaks.get(name, 0.0))
            self.together = max(self.together, sum(pss for _, pss in found.values()))
            self.samples += 1


@contextlib.contextmanager
def _two_cores() -> Iterator[None]:
    """Restrict this process, and so the processes it starts, to two cores."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:_CORES])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _memory(pid: int) -> tuple[float, float]:
    told = psutil.Process(pid).memory_full_info()
    return told.rss / _MB, told.pss / _MB
