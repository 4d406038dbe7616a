"""The costs of what carries the model: starts, memory, first libraries, photos and queries after a rest.

With `--before CHECKOUT` each figure is measured in turns with the daemon of another checkout, run by this environment.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import psutil

from bench.context import LONG, QUERY, first_answer, idle, processes, running, warm
from bench.measures.memory import MemorySampler, usage
from bench.measures.queries import distinct_texts
from bench.photos import linked
from bench.table import Measurement, Target
from phsearch.client import Client
from support.harness import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.context import BenchContext
    from support.harness import Daemon

_REST_SECONDS = 3.0
_TEN = 10

Figures = dict[str, float]


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Measure each stage of this version, and of the one before where there is one."""
    stages: tuple[Callable[[BenchContext, str, bool], Figures], ...] = (_start, _first_library, _small_library)
    for stage in stages:
        ours = stage(context, f"runtime{stage.__name__}", False)
        before = stage(context, f"before{stage.__name__}", True) if context.before else {}
        for name, value in ours.items():
            unit, most = _AIMS[name]
            # Without bfloat16 the aims are doubled: they were set on a processor that has it.
            target = Target("value", "<=", most if "bf16" in context.learnt["model"] else 2 * most)
            yield Measurement(name, value, unit, "before" if name in before else "", before.get(name), target)


_AIMS = {
    "start to status": ("s", 1.0),
    "start to first answer": ("s", 1.4),
    "query worker": ("MB", 155.0),
    "all at rest": ("MB", 325.0),
    "all after the rest": ("MB", 180.0),
    "a new query": ("ms", 6.0),
    "query after the rest": ("s", 1.5),
    "ten photos after a rest": ("s", 0.9),
    "300 small, 100 large photos": ("s", 6.5),
    "300 small, 100 large photos, processor": ("ms/photo", 28.0),
    "300 small, 100 large photos, peak": ("MB", 600.0),
    "990 small photos": ("s", 8.0),
}
"""The unit and the most of each figure, on two cores with bfloat16. Memory is a sum of PSS."""


def _start(context: BenchContext, name: str, before: bool) -> Figures:  # noqa: FBT001
    """Start a few times; then let everything rest."""
    rests = {"keep_alive_seconds": _REST_SECONDS}
    sections = {"index": rests} if before else {"index": rests, "query": rests}
    daemon = context.daemon(name, sections, before=before)
    photos = context.photos.small(40)
    linked(photos[_TEN:], daemon.photos / "known")
    with running(daemon):
        idle(daemon, len(photos) - _TEN)
        context.learn(daemon)
    to_status, to_answer = [], []
    for _ in range(context.count(5, 2)):
        start = time.perf_counter()
        with running(daemon):
            to_status.append(time.perf_counter() - start)
            first_answer(daemon, "beach sunset")
            to_answer.append(time.perf_counter() - start)
    figures = {"start to status": statistics.median(to_status), "start to first answer": statistics.median(to_answer)}
    with running(daemon):
        warm(daemon)
        figures |= {"query worker": usage(daemon)[QUERY][1], "all at rest": _together(daemon)}
        figures["a new query"] = _new_query(context, daemon)
        if not before:
            wait_until(lambda: len(processes(daemon)) == 1, "all workers rest", LONG)
            figures["all after the rest"] = _together(daemon)
            figures["query after the rest"] = _timed(lambda: first_answer(daemon, "a zebra crossing at night"))
        figures["ten photos after a rest"] = _ten_photos(context, daemon, len(photos))
    return figures


def _new_query(context: BenchContext, daemon: Daemon) -> float:
    texts, taken = distinct_texts(), []
    with Client(daemon.socket, LONG) as client:
        for _ in range(context.count(100, 30)):
            text = next(texts)
            taken.append(_timed(lambda text=text: client.call("search", query=text)))  # type: ignore[misc]
    return statistics.median(taken) * 1000


def _ten_photos(context: BenchContext, daemon: Daemon, wanted: int) -> float:
    """Save ten photos when no worker runs; return the seconds until all are found."""
    wait_until(lambda: daemon.status()["model"]["image_worker"] != "running", "the index worker rests", LONG)
    linked(context.photos.small(_TEN), daemon.home / "ten")
    start = time.perf_counter()
    (daemon.home / "ten").rename(daemon.photos / "ten")
    wait_until(lambda: daemon.status()["photos"] >= wanted, "they are found", LONG)
    return time.perf_counter() - start


def _first_library(context: BenchContext, name: str, before: bool) -> Figures:  # noqa: FBT001
    small, large = context.photos.small(context.count(300, 60)), context.photos.large(context.count(100, 20))
    seconds, processor, peak = _index(context, name, before, small, large)
    what = "300 small, 100 large photos"
    return {what: seconds, f"{what}, processor": processor, f"{what}, peak": peak}


def _small_library(context: BenchContext, name: str, before: bool) -> Figures:  # noqa: FBT001
    return {"990 small photos": _index(context, name, before, context.photos.small(context.count(990, 200)), [])[0]}


def _index(
    context: BenchContext,
    name: str,
    before: bool,  # noqa: FBT001
    small: list[Path],
    large: list[Path],
) -> tuple[float, float, float]:
    """Start a daemon beside photos; return seconds until all are found, processor ms a photo, and MB at the peak."""
    daemon = context.daemon(name, before=before)
    linked(small, daemon.photos / "small")
    linked(large, daemon.photos / "large")
    count = len(small) + len(large)
    start = time.perf_counter()
    with running(daemon), MemorySampler(daemon) as sampler:
        wait_until(lambda: daemon.status()["photos"] >= count, "all photos are found", LONG)
        seconds = time.perf_counter() - start
        times = [psutil.Process(pid).cpu_times() for pid in (daemon.pid, *daemon.workers())]
        processor = sum(each.user + each.system for each in times) / count * 1000
    return seconds, processor, sampler.together


def _together(daemon: Daemon) -> float:
    return sum(pss for _, pss in usage(daemon).values())


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
