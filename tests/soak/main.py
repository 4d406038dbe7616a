"""The command line of the soak test: cycles for some minutes, a line for each, and at the end what grew."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import machine
from bench.context import LONG, running, say, warm
from bench.table import percentile
from soak import table
from soak.changes import LibraryChanges
from soak.query_load import QueryLoad
from soak.sample import sample
from support.harness import Daemon, wait_until
from torture.photos import photographs

if TYPE_CHECKING:
    from types import FrameType

SHORT_MEMORY_DAEMON = (sys.executable, str(Path(__file__).with_name("short_memory_daemon.py")))
_WARM = 0.3
_WARM_MOST = 25.0
"""Growth is measured after this share of the time, and at most after this many minutes."""


def main() -> int:
    """Run the soak test; return 1 if something grows, 130 if interrupted."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    rows: list[dict[str, float]] = []
    interrupted = False
    facts = machine.facts("colours" if options.colours else "mini") | {"load_before": machine.load()}
    with tempfile.TemporaryDirectory(prefix="phsearch-soak-", ignore_cleanup_errors=True) as folder:
        try:
            for row in _soak(Path(folder), options):
                rows.append(row)
                print(table.line(row), flush=True)
                _checkpoint(options.json, facts, options, rows)
        except KeyboardInterrupt:
            interrupted = True
            say("interrupted; these are the figures so far")
    warm_up = sum(row["minutes"] < min(options.minutes * _WARM, _WARM_MOST) for row in rows)
    lines, grown = table.verdicts(rows, warm_up)
    for name, value in (facts | {"load_after": machine.load()}).items():
        print(f"{name:12}{value}")
    embedded = rows[-1]["embedded"] if rows else 0
    print(f"{len(rows)} cycles, {embedded:,.0f} photos embedded; judged after {warm_up} cycles of warm-up")
    print("\n".join(lines))
    print(f"grows: {', '.join(grown)}" if grown else "nothing grows")
    return 130 if interrupted else int(bool(grown))


def _soak(folder: Path, options: argparse.Namespace) -> Any:
    daemon = _daemon(folder, options)
    changes = LibraryChanges(daemon.photos, photographs(folder / "supply", 120), options.batch)
    print(table.heading(), flush=True)
    began = time.monotonic()
    with running(daemon):
        warm(daemon)
        _settled(daemon, changes)
        with QueryLoad(daemon) as queries:
            cycle = 0
            while time.monotonic() - began < options.minutes * 60:
                cycle += 1
                start = time.monotonic()
                changes.turn()
                status = _settled(daemon, changes)
                taken = queries.take()
                yield {
                    "cycle": cycle,
                    "minutes": (time.monotonic() - began) / 60,
                    "seconds": time.monotonic() - start,
                    "embedded": status["counters"]["embedded"],
                    **({"p50 ms": percentile(taken, 50), "p95 ms": percentile(taken, 95)} if len(taken) > 1 else {}),
                    **sample(daemon),
                }
                time.sleep(options.pause)


def _daemon(folder: Path, options: argparse.Namespace) -> Daemon:
    settings = f"[index]\nkeep_alive_seconds = {options.keep_alive}\n"
    daemon = Daemon(folder, SHORT_MEMORY_DAEMON, settings)
    daemon.env |= {
        "PHSEARCH_SOAK_COLOURS": str(int(options.colours)),
        "PHSEARCH_SOAK_BOUND": str(options.bound or 2 * options.batch),
        "PHSEARCH_SOAK_WRITES": str(options.writes),
        "PHSEARCH_SOAK_VERSIONS": str(options.versions),
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    }
    return daemon


def _settled(daemon: Daemon, changes: LibraryChanges) -> dict[str, Any]:
    """Wait until the index agrees with the folders."""

    def done() -> dict[str, Any] | None:
        status = daemon.status()
        quiet = not status["pending"] and not status["scanning"]
        return status if quiet and (status["photos"], status["errors"]) == (changes.photos, changes.broken) else None

    try:
        found: dict[str, Any] = wait_until(done, f"{changes.photos} photos, {changes.broken} errors", LONG)
    except AssertionError as error:
        raise AssertionError(f"{error}; status: {daemon.status()}; log: {daemon.log.read_text()[-3000:]}") from None
    return found


def _checkpoint(file: Path | None, facts: dict[str, str], options: argparse.Namespace, rows: list[Any]) -> None:
    if file is None:
        return
    chosen = {name: str(value) for name, value in vars(options).items()}
    # Renamed into place: a run of hours that is killed keeps all cycles but the last.
    fresh = file.with_name(file.name + ".new")
    fresh.write_text(json.dumps({"facts": facts, "options": chosen, "cycles": rows}, indent=1) + "\n")
    os.replace(fresh, file)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/soak/run.py",
        description="Photos come, change and go again, cycle after cycle; exit status 1 says that something grows.",
    )
    parser.add_argument("--minutes", type=float, default=10, help="how long; 30 and more to be sure (default 10)")
    parser.add_argument("--colours", action="store_true", help="colours for a model: quick, and without torch")
    parser.add_argument("--batch", type=int, default=60, help="photos that come, and go, in a cycle (default 60)")
    parser.add_argument(
        "--bound", type=int, default=0, help="deleted photos that are remembered (default: of two cycles)"
    )
    parser.add_argument(
        "--versions", type=float, default=20, metavar="SECONDS", help="how long old versions of a table are kept"
    )
    parser.add_argument("--writes", type=int, default=50, metavar="N", help="writes after which tables are tidied")
    parser.add_argument("--keep-alive", type=float, default=300, metavar="SECONDS", help="of the index worker")
    parser.add_argument("--pause", type=float, default=0, metavar="SECONDS", help="rest between two cycles")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every cycle to FILE, as it comes")
    return parser.parse_args()
