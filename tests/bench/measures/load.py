"""What it costs to load a large library: the time to the first answers, and the memory of the main process.

The peak is the most that the process ever had (VmHWM) until its first answer. At rest is after the work that follows
a start. What a photo takes is that, less what a daemon without photos takes. With `--before CHECKOUT` the same is
measured with the daemon of another checkout.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import library
from bench.context import MAIN, first_answer, running, say
from bench.measures.memory import usage
from bench.table import Measurement, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import BenchContext
    from support.harness import Daemon

_MB = 1e6
_TIDIED = 40.0
"""Seconds after which the work that follows a start, a last optimize, is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """One start: seconds to the first status and the first query, and MB at the peak, then at rest."""

    to_status: float
    to_query: float
    peak: float
    rss: float
    pss: float
    photos: float = 0
    """Bytes a photo."""


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Start over a library, and over nothing."""
    size = context.count(context.size, min(context.size, 20_000))
    after = _start(context, "load", size)
    before = _start(context, "load-before", size, before=True) if context.before else None
    what = f"load {size:,}"
    yield Measurement(f"{what}, start to first status", after.to_status, "s", *_against(before, "to_status"))
    yield Measurement(f"{what}, start to first query", after.to_query, "s", *_against(before, "to_query"))
    note = f"PSS {after.pss:.0f} MB"
    yield Measurement(f"{what}, main at rest", after.rss, "MB", *_against(before, "rss"), note=note)
    yield Measurement(f"{what}, main at its peak", after.peak, "MB", *_against(before, "peak"))
    yield Measurement(f"{what}, peak and rest", after.peak, "MB", "rest", after.rss, target=Target("ratio", "<=", 1.1))
    yield Measurement(f"{what}, memory", after.photos, "bytes/photo", *_against(before, "photos"))


def _against(before: _Start | None, figure: str) -> tuple[str, float | None]:
    return ("before", getattr(before, figure)) if before else ("", None)


def _start(context: BenchContext, name: str, size: int, *, before: bool = False) -> _Start:
    nothing = _started(context, context.daemon(f"{name}-nothing", before=before))
    daemon = library.large(context, name, size=size, before=before)
    full = _started(context, daemon)
    return dataclasses.replace(full, photos=(full.rss - nothing.rss) * _MB / size)


def _started(context: BenchContext, daemon: Daemon) -> _Start:
    start = time.perf_counter()
    with running(daemon, *library.roots(context, daemon)):
        to_status = time.perf_counter() - start
        first_answer(daemon, "beach sunset")
        to_query = time.perf_counter() - start
        peak = _peak(daemon.pid)
        say("  resting")
        time.sleep(_TIDIED)
        rss, pss = usage(daemon)[MAIN]
        say(f"  {peak:.0f} MB until the first answer, {_peak(daemon.pid):.0f} MB until rest, {rss:.0f} MB at rest")
    return _Start(to_status=to_status, to_query=to_query, peak=peak, rss=rss, pss=pss)


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024 / _MB
