"""Indexing rate: the whole daemon, compared with a script that only decodes and embeds.

Both run with the same tower, precision, batch size, threads and priority, alternately. Loading does not count: a rate
is measured from the first batch embedded to the last.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from bench.context import INDEX, LONG, idle, processes, running, say, warm
from bench.photos import linked
from bench.table import Measurement, Target
from phsearch import config
from phsearch.client import Client
from phsearch.daemon import worker_commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import BenchContext
    from support.harness import Daemon

_BARE = Path(__file__).with_name("bare.py")
_WARM_UP = 32
_POLL = 0.05
_IMPLAUSIBLE = 0.8


@dataclass(frozen=True, slots=True)
class Rate:
    """Photos per second, and the processor seconds a photo takes."""

    rate: float
    cpu: float


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Run daemon and script alternately."""
    count, rounds = context.count(640, 160), context.count(3, 1)
    photos = context.photos.small(_WARM_UP + count)
    alone = linked(photos, context.folder / "bare")
    warm_up, photos = photos[:_WARM_UP], photos[_WARM_UP:]
    precision = "auto"
    daemons, scripts = [], []
    for number in range(rounds):
        daemon = context.daemon(f"indexing-{number}", {"model": {"precision": precision}})
        linked(warm_up, daemon.photos / "warm-up")
        with running(daemon):
            warm(daemon)
            idle(daemon, len(warm_up))
            context.learn(daemon)
            # "auto" is decided by a measurement: the choice of the first worker is used for all others.
            precision = daemon.status()["model"]["precision"]
            like = worker_conditions(daemon)
            daemons.append(measured(daemon, photos, len(warm_up)))
        script = bare(context, like, precision, alone)
        scripts.append(Rate(script["rate"], script["cpu"]))
        say(f"  round {number + 1}: daemon {daemons[-1].rate:.1f}/s, script {scripts[-1].rate:.1f}/s")
    rates = [statistics.median(each.rate for each in side) for side in (daemons, scripts)]
    cpus = [statistics.median(each.cpu for each in side) * 1000 for side in (daemons, scripts)]
    note = (
        f"medians of {rounds} runs of {count} photos each, in turns; {precision}, {script['runtime']} in both; "
        f"daemon {_range(daemons)}, script {_range(scripts)}"
    )
    if cpus[0] < _IMPLAUSIBLE * cpus[1]:
        note += "; NOT TO BE TRUSTED: the daemon cannot do more than the script with so much less processor time"
    yield Measurement(
        "indexing, daemon", rates[0], "photos/s", "bare script", rates[1], Target("ratio", ">=", 0.9), note
    )
    note = "of all its processes; the fairer comparison while other programs run"
    yield Measurement("indexing, processor time", cpus[0], "ms/photo", "bare script", cpus[1], note=note)


def measured(daemon: Daemon, photos: list[Path], before: int) -> Rate:
    """Index `photos` with a warm daemon that has embedded `before`; measure from the first embedded to the last."""
    linked(photos, daemon.home / "new").rename(daemon.photos / "new")
    first: tuple[int, float, float] | None = None
    deadline = time.monotonic() + LONG
    with Client(daemon.socket, LONG) as client:
        while True:
            status = client.call("status")
            done, now = status["counters"]["embedded"] - before, time.perf_counter()
            if status["errors"]:
                raise RuntimeError(f"not every photo could be indexed: {status['last_error']}")
            if first is None and done:
                first = (done, now, cpu(daemon))
            if first is not None and done >= len(photos):
                embedded = done - first[0]
                return Rate(embedded / (now - first[1]), (cpu(daemon) - first[2]) / embedded)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{done} of {len(photos)} photos indexed in {LONG} s")
            time.sleep(_POLL)


def cpu(daemon: Daemon) -> float:
    """Return the processor seconds that a daemon's processes have used."""
    times = [psutil.Process(pid).cpu_times() for pid in (daemon.pid, *daemon.workers())]
    return float(sum(each.user + each.system for each in times))


@dataclass(frozen=True, slots=True)
class WorkerConditions:
    """The priority and the whole environment of a running index worker, with the settings of OpenMP."""

    nice: int
    env: dict[str, str]


def worker_conditions(daemon: Daemon) -> WorkerConditions:
    """Read them from the kernel so that none is missed: spinning OpenMP threads alone slow the script to a quarter."""
    pid = processes(daemon)[INDEX]
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "surrogateescape").split("\0")
    env = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return WorkerConditions(os.getpriority(os.PRIO_PROCESS, pid), env)


def bare(context: BenchContext, like: WorkerConditions, precision: str, folder: Path) -> dict[str, Any]:
    """Run the script exactly as the daemon runs its index worker."""
    settings = config.Config(model=config.ModelConfig(name=context.model, precision=precision))
    commands = worker_commands.CommandFactory(
        env=like.env, program=worker_commands.PROGRAM, models=context.folder / "models", has_model=True
    ).commands(settings.model)
    assert commands.planner is not None
    plan = asyncio.run(commands.planner.make_plan("image"))
    setup = dataclasses.asdict(dataclasses.replace(commands.index_worker(settings).setup, plan=plan))
    niceness = like.nice - os.getpriority(os.PRIO_PROCESS, 0)
    run = subprocess.run(
        ["nice", "-n", str(niceness), sys.executable, "-P", _BARE, json.dumps(setup), folder, str(_WARM_UP)],
        env=like.env,
        stdout=subprocess.PIPE,
        check=True,
        timeout=LONG,
    )
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def _range(rates: list[Rate]) -> str:
    return f"{min(each.rate for each in rates):.1f} to {max(each.rate for each in rates):.1f}/s"
