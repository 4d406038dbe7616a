"""The cost of an idle daemon: processor time and disk writes of daemon and query worker in a minute."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench import photos
from bench.context import MAIN, QUERY, idle, processes, running, say, warm
from bench.table import Measurement, Target
from phsearch.adapters.store import arrow_rows
from phsearch.adapters.store.lance import LanceStore
from phsearch.domain.types import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.context import BenchContext
    from support.harness import Daemon

_ROOTS = (1, 10, 100)
_PER_FOLDER = 100
_TIDIED = 40.0
"""Seconds after which the work that follows a start, a last optimize, is done."""
_WRITE = 4_096


@dataclasses.dataclass(frozen=True, slots=True)
class _Costs:
    """The cost of a process since its start."""

    seconds: float
    wakes: int
    written: int


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Measure idle daemons with more and more roots."""
    count, seconds = context.count(30_000, 10_000), context.count(60, 30)
    for number in _ROOTS:
        daemon = context.daemon(f"idle-{number}")
        roots = _fill(context, daemon, number, count)
        with running(daemon, *roots):
            idle(daemon, count)
            warm(daemon)
            say(f"  {number} roots: resting")
            time.sleep(_TIDIED)
            yield from _rest(daemon, number, count, seconds)


def _rest(daemon: Daemon, roots: int, photos: int, seconds: int) -> Iterator[Measurement]:
    pids = processes(daemon)
    if set(pids) != {MAIN, QUERY}:
        raise RuntimeError(f"an idle daemon has no other processes than main and query worker, but {pids}")
    files, before = _files(daemon.state), [_costs(pids[name]) for name in (MAIN, QUERY)]
    began = time.monotonic()
    time.sleep(seconds)
    lasted = time.monotonic() - began
    after = [_costs(pids[name]) for name in (MAIN, QUERY)]
    spent = [(late.seconds - early.seconds) / lasted * 100 for early, late in zip(before, after, strict=True)]
    wakes = sum(late.wakes - early.wakes for early, late in zip(before, after, strict=True))
    yield Measurement(
        f"idle, processor, {roots} roots",
        sum(spent),
        "%",
        target=Target("value", "<=", 0.2),
        note=f"of a core in {lasted:.0f} s; main {spent[0]:.4f}, query worker {spent[1]:.4f}; "
        f"{wakes} context switches; {photos:,} photos",
    )
    written = sum(late.written - early.written for early, late in zip(before, after, strict=True))
    changed = len(set(_files(daemon.state).items()) ^ set(files.items()))
    yield Measurement(
        f"idle, written, {roots} roots",
        written,
        "bytes",
        target=Target("value", "<=", 0),
        note=f"in {lasted:.0f} s; {changed} files of the state changed",
    )


def _costs(pid: int) -> _Costs:
    nanoseconds, wakes = 0, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread may end
            # It is in nanoseconds; /proc/PID/stat counts hundredths of a second.
            nanoseconds += int((task / "schedstat").read_text().split()[0])
            status = (task / "status").read_text().splitlines()
            wakes += sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)
    told = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return _Costs(nanoseconds / 1e9, wakes, int(told["write_bytes"]))


def _files(state: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in state.rglob("*")}


def _fill(context: BenchContext, daemon: Daemon, roots: int, count: int) -> Sequence[Path]:
    """Make folders of files that look like the photos the index knows; return the roots."""
    watched_roots = [daemon.home / "roots" / str(number) for number in range(roots)]
    # With one real photo the store has the model's identity.
    photos.linked(context.photos.small(1), watched_roots[0] / "first")
    for top in watched_roots:
        top.mkdir(parents=True, exist_ok=True)
    with running(daemon, *watched_roots):
        idle(daemon, 1)
        context.learn(daemon)
    store = LanceStore(folder=daemon.state / "index", name=context.model)
    try:
        known, _ = store.load()
        identity = arrow_rows.identity_of(store._model._photos.schema)
        assert identity is not None
        rng = np.random.default_rng(0)
        for start in range(0, count, _WRITE):
            rows = []
            for number in range(start, min(start + _WRITE, count)):
                top = watched_roots[number % roots]
                path = top / f"{number // roots // _PER_FOLDER}" / f"{number:05}.jpg"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(b"never read: it is known")
                status = path.stat()
                fingerprint = Fingerprint.of(status)
                rows.append(
                    dataclasses.replace(
                        known[0], path=str(path), root=str(top), fingerprint=fingerprint, digest=os.urandom(16)
                    )
                )
            vectors = rng.standard_normal((len(rows), identity.dim), np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            store.apply(zip(rows, vectors, strict=True))
        store.optimize()
    finally:
        store.close()
    return watched_roots
