"""A change to a larger model: what queries and memory are like meanwhile, and how long it takes to go back.

The model has the architecture of ViT-B-32-256 and random weights, which cost as much as the real ones.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.context import LONG, QUERY, idle, running, warm
from bench.measures.memory import MemorySampler, usage
from bench.measures.queries import distinct_texts
from bench.photos import linked
from bench.table import Measurement, Target, percentile
from phsearch.client import Client
from support.harness import TESTS, wait_until
from support.machine.fake_power import LOW_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.context import BenchContext
    from support.harness import Daemon

ARCHITECTURE = "ViT-B-32-256"
_PAUSE = 0.05
_MOST = 1.5


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Index by the one model and by the other alone, then change from the one to the other and back."""
    folder = context.folder / "other"
    subprocess.run([sys.executable, TESTS / "support" / "random_model.py", ARCHITECTURE, folder], check=True)
    other = f"local-dir:{folder}"
    photos, queries = context.photos.small(context.count(990, 200)), context.count(200, 40)
    alone = _peak_alone(context, other, photos)
    daemon = context.daemon("switch")
    daemon.env[LOW_PRIORITY] = "1"
    linked(photos, daemon.photos / "all")
    texts = distinct_texts()
    with running(daemon):
        idle(daemon, len(photos))
        warm(daemon)
        context.learn(daemon)
        quiet = _ask(daemon, texts, lambda taken: bool(daemon.status()) and len(taken) < queries)
        tower = usage(daemon)[QUERY][1]
        start = time.perf_counter()
        daemon.call("model.use", name=other)
        with MemorySampler(daemon) as sampler:
            meanwhile = _ask(daemon, texts, lambda _taken: daemon.status()["model"]["name"] != other)
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        daemon.call("model.use", name=context.model)
        wait_until(lambda: daemon.status()["model"]["name"] == context.model, "the former model is back", LONG)
        back = time.perf_counter() - start
    yield Measurement("change of the model", seconds, "s", note=f"{len(photos)} small photos, to {ARCHITECTURE}")
    yield Measurement(
        "query meanwhile, p95",
        percentile(meanwhile, 95),
        "ms",
        "idle",
        percentile(quiet, 95),
        Target("ratio", "<=", _MOST),
    )
    yield Measurement(
        "memory meanwhile, peak",
        sampler.together,
        "MB",
        target=Target("value", "<=", alone + tower),
        note=f"PSS of all processes; the new model alone {alone:.0f} MB, the former query worker {tower:.0f} MB",
    )
    yield Measurement("going back", back, "s", target=Target("value", "<=", 2.0))


def _peak_alone(context: BenchContext, model: str, photos: list[Path]) -> float:
    """Return the MB at the peak while a daemon indexes these photos by this model from nothing."""
    daemon = context.daemon("alone", {"model": {"name": model}})
    linked(photos, daemon.photos / "all")
    with running(daemon), MemorySampler(daemon) as sampler:
        idle(daemon, len(photos))
    return sampler.together


def _ask(daemon: Daemon, texts: Iterator[str], more: Callable[[list[float]], bool]) -> list[float]:
    """Ask for distinct texts while there is to be `more`, and return the milliseconds of each."""
    taken: list[float] = []
    with Client(daemon.socket, LONG) as client:
        while more(taken):
            text, start = next(texts), time.perf_counter()
            hits = client.call("search", query=text)["hits"]
            taken.append((time.perf_counter() - start) * 1000)
            assert hits is not None
            time.sleep(_PAUSE)
    return taken
