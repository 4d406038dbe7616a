"""The command line of the benchmarks: which to run, on which photos, and where the results are written."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from bench import machine, table
from bench.context import BenchContext, say
from bench.measures import (
    clients,
    courtesy,
    filters,
    folders,
    freshness,
    hostile,
    idle,
    indexing,
    load,
    memory,
    queries,
    runtime,
    startup,
    switch,
)
from bench.photos import Photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from bench.table import Measurement

BENCHMARKS: dict[str, Callable[[BenchContext], Iterator[Measurement]]] = {
    "indexing": indexing.measure,
    "clients": clients.measure,
    "queries": queries.measure,
    "filters": filters.measure,
    "freshness": freshness.measure,
    "startup": startup.measure,
    "load": load.measure,
    "runtime": runtime.measure,
    "memory": memory.measure,
    "courtesy": courtesy.measure,
    "idle": idle.measure,
    "hostile": hostile.measure,
    "folders": folders.measure,
    "switch": switch.measure,
}


def main() -> int:
    """Run the chosen benchmarks; return the exit status."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    facts = machine.facts(options.model)
    before = machine.load()
    with tempfile.TemporaryDirectory(prefix="phsearch-bench-", ignore_cleanup_errors=True) as folder:
        # Short paths: that of a socket has at most 107 bytes.
        context = BenchContext(
            Path(folder),
            Photos(Path(folder) / "photos", options.photos),
            options.model,
            quick=options.quick,
            before=options.before,
            size=options.size,
        )
        figures, failed = _run(options.only or list(BENCHMARKS), context)
    load = {"load_before": before, "load_after": machine.load()}
    sys.stdout.write(table.report(facts | context.learnt | load, figures))
    if options.json:
        record = {"facts": facts | context.learnt | load, "figures": [figure.record() for figure in figures]}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    missed = [figure for figure in figures if figure.met is False]
    if failed:
        say(f"did not run to their end: {', '.join(failed)}")
    return int(bool(failed) or (options.strict and bool(missed)))


def _run(names: list[str], context: BenchContext) -> tuple[list[Measurement], list[str]]:
    figures: list[Measurement] = []
    failed = []
    for name in names:
        say(f"{name} ...")
        try:
            for figure in BENCHMARKS[name](context):
                figures.append(figure)
                say(f"  {figure.line()}")
        except KeyboardInterrupt:
            say("interrupted; these are the figures so far")
            failed.append(name)
            break
        except Exception:  # noqa: BLE001 - the other benchmarks still run
            traceback.print_exc()
            failed.append(name)
    return figures, failed


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Only once: the cleanup must not be interrupted, or it would leave processes and gigabytes behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/run.py",
        description="Print phsearch's figures beside their yardsticks and aims. Give the machine some quiet.",
    )
    parser.add_argument("--photos", type=Path, metavar="DIR", help="use the JPEGs in DIR, not scikit-image's photos")
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--model", default="mini", metavar="NAME", help='"mini" (the default) or "local-dir:/path"')
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="compare `load` and `runtime` with it")
    parser.add_argument("--size", type=int, default=100_000, metavar="N", help="photos of `load`, 100000 by default")
    parser.add_argument("--quick", action="store_true", help="few samples: shows that it works, not how fast")
    parser.add_argument("--strict", action="store_true", help="exit with status 1 when an aim is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")
    return parser.parse_args()
