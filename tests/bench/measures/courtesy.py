"""The cost of indexing for its owner: how much slower other programs run meanwhile, and how long queries take.

The owner's programs are one for each processor that computes all the time, and one that wakes up two hundred
times a second, as a player or an editor does. They run alternately beside an idle daemon, one that indexes, one that is
throttled, and, for comparison, one whose index worker is in other scheduling classes.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from bench.context import INDEX, LONG, processes, running, say, warm
from bench.measures.indexing import cpu
from bench.measures.queries import distinct_texts
from bench.photos import PhotoFeed
from bench.table import Measurement, Target, percentile
from phsearch.client import Client
from support.harness import wait_until
from support.machine.fake_power import VARIABLE, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import BenchContext
    from support.harness import Daemon

_PAUSE = 0.02
_COMPUTES = """
import hashlib, json, sys, time
block, done, end = bytes(65536), 0, time.perf_counter() + float(sys.argv[1])
while time.perf_counter() < end:
    hashlib.sha256(block)
    done += 1
print(json.dumps([done, time.process_time()]))
"""
_WAKES = """
import json, sys, time
late, end = [], time.perf_counter() + float(sys.argv[1])
while (before := time.perf_counter()) < end:
    time.sleep(0.005)
    late.append((time.perf_counter() - before - 0.005) * 1000)
print(json.dumps(late))
"""
_CLASSES = {"SCHED_BATCH": os.SCHED_BATCH, "SCHED_IDLE": os.SCHED_IDLE}


@dataclass
class Pair:
    """The values beside an idle daemon, and directly afterwards under a condition."""

    work: list[tuple[float, float]] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)
    late: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    asked: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Run the owner's programs and queries under each condition alternately."""
    seconds, rounds, queries = context.count(3, 1), context.count(7, 1), context.count(40, 10)
    daemon = context.daemon("courtesy", {"index": {"keep_alive_seconds": 3600}})
    host = Machine(daemon.home / "machine")
    daemon.env[VARIABLE] = str(host.folder)
    feed = PhotoFeed(context.photos.small(160), daemon.photos, daemon.home / "staging")
    pairs = {name: Pair() for name in ("indexing", "throttled", *_CLASSES)}
    texts = distinct_texts()
    with running(daemon), Client(daemon.socket, LONG) as client:
        warm(daemon)
        for number in range(rounds):
            for name, pair in pairs.items():
                works = []
                for side in (0, 1):
                    if side:
                        _arrange(name, daemon, host, feed)
                    pair.asked[side].extend(_ask(client, texts, queries))
                    before = cpu(daemon)
                    done, used, waits = _beside(seconds)
                    ours = cpu(daemon) - before
                    works.append(done)
                    pair.late[side].extend(waits)
                pair.work.append((works[0], works[1]))
                pair.taken.append(100 * ours / (ours + used))
                feed.withdraw()
                _rest(daemon)
            say(f"  round {number + 1} of {rounds}")
    yield from _figures(pairs, f"medians of {rounds} turns of {seconds} s, each beside an idle one just before it")


def _figures(pairs: dict[str, Pair], note: str) -> Iterator[Measurement]:
    for name, pair in pairs.items():
        # The share of what both got: that depends less on other load of the machine than the owner's work itself.
        aim = Target("value", "<=", 5) if name not in _CLASSES else None
        yield Measurement(f"processor time taken, {_label(name)}", statistics.median(pair.taken), "%", target=aim)
    for name, pair in pairs.items():
        # The median of the ratios: other load of the machine affects both sides of a pair.
        ratio = statistics.median(beside / alone for alone, beside in pair.work)
        aim = Target("ratio", ">=", 0.95) if name not in _CLASSES else None
        yield Measurement(f"owner's work, {_label(name)}", 100 * ratio, "%", "idle", 100, aim, note)
        note = ""
    for name, pair in pairs.items():
        quiet, beside = (percentile(side, 99) for side in pair.late)
        yield Measurement(f"owner's wake-up late, p99, {_label(name)}", beside, "ms", "idle", quiet)
    for name, pair in pairs.items():
        if name not in _CLASSES:
            for percent in (50, 95):
                quiet, beside = (percentile(side, percent) for side in pair.asked)
                yield Measurement(f"query, {name}, p{percent}", beside, "ms", "idle", quiet, Target("ratio", "<=", 2))


def _label(name: str) -> str:
    return f"if the worker had {name}" if name in _CLASSES else name


def _arrange(name: str, daemon: Daemon, host: Machine, feed: PhotoFeed) -> None:
    """Establish a condition."""
    host.plug()
    if name == "throttled":
        host.unplug(80)
    wait_until(lambda: (daemon.status()["pace"]["state"] == "throttled") == (name == "throttled"), name, LONG)
    before = daemon.status()["counters"]["embedded"]
    feed.top_up(0)
    wait_until(lambda: daemon.status()["counters"]["embedded"] > before, "photos are being indexed", LONG)
    worker = psutil.Process(processes(daemon)[INDEX])
    for thread in worker.threads():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setscheduler(thread.id, _CLASSES.get(name, os.SCHED_OTHER), os.sched_param(0))


def _rest(daemon: Daemon) -> None:
    """Wait until the daemon has noticed the removed photos."""
    wait_until(lambda: not daemon.status()["pending"], "nothing is pending", LONG)


def _ask(client: Client, texts: Iterator[str], count: int) -> list[float]:
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        client.call("search", query=next(texts))
        taken.append((time.perf_counter() - start) * 1000)
        time.sleep(_PAUSE)
    return taken


def _beside(seconds: float) -> tuple[float, float, list[float]]:
    """Run the owner's programs; return the work done, its processor seconds, and the delays of wake-ups in ms."""
    computing = [_start(_COMPUTES, seconds) for _ in range(os.cpu_count() or 1)]
    waking = _start(_WAKES, seconds)
    done = [json.loads(each.communicate()[0]) for each in computing]
    return sum(count for count, _ in done), sum(used for _, used in done), json.loads(waking.communicate()[0])


def _start(program: str, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program, str(seconds)], stdout=subprocess.PIPE)
