"""The duration of a normal query while other programs of the same user misbehave on the socket."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

from bench.context import LONG, idle, running, warm
from bench.measures.queries import distinct_texts
from bench.table import Measurement, Target, percentile
from phsearch.client import Client
from support.harness import TESTS
from support.hostile.attackers import ATTACKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import BenchContext
    from support.harness import Daemon

_PAUSE = 0.03
_PHOTOS = 16


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Measure queries beside each kind of misbehaviour, each query over a new connection."""
    count = context.count(200, 40)
    daemon = context.daemon("hostile")
    for photo in context.photos.small(_PHOTOS):
        os.link(photo, daemon.photos / photo.name)
    texts = distinct_texts()
    with running(daemon):
        warm(daemon)
        idle(daemon, 1)
        _timed(daemon, texts, 10)
        memory = _memory(daemon)
        note = (
            f"{count} distinct texts, each on a connection of its own, {_PAUSE * 1000:.0f} ms apart, before and beside"
        )
        for name in ATTACKS:
            quiet = _timed(daemon, texts, count)
            with _attack(name, daemon):
                beside = _timed(daemon, texts, count)
                peak = _memory(daemon)
            p50, p95 = statistics.median(beside), percentile(beside, 95)
            yield Measurement(
                f"{name}, p50", p50, "ms", "alone", statistics.median(quiet), Target("ratio", "<=", 2), note
            )
            note = ""
            yield Measurement(f"{name}, p95", p95, "ms", "alone", percentile(quiet, 95))
            yield Measurement(f"{name}, memory", peak - memory, "MB", target=Target("value", "<=", 100))


def _timed(daemon: Daemon, texts: Iterator[str], count: int) -> list[float]:
    times = []
    for _ in range(count):
        text = next(texts)
        start = time.perf_counter()
        with Client(daemon.socket, LONG) as client:
            client.call("search", query=text)
        times.append((time.perf_counter() - start) * 1000)
        time.sleep(_PAUSE)
    return times


def _memory(daemon: Daemon) -> float:
    return float(psutil.Process(daemon.pid).memory_info().rss / 1e6)


@contextlib.contextmanager
def _attack(name: str, daemon: Daemon) -> Iterator[None]:
    command = [sys.executable, str(TESTS / "support" / "hostile" / "attackers.py"), name, str(daemon.socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as attacker:
        assert attacker.stdout is not None
        attacker.stdout.readline()
        time.sleep(1)
        try:
            yield
        finally:
            attacker.kill()
    time.sleep(1)
