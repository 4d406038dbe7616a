"""Sends a hundred thousand invalid requests to the real daemon, with an honest client beside them.

The checks: the daemon runs, its log has no traceback, its memory and descriptors do not grow, and how long the honest
client waits. The model is a colour. Exit status 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import psutil

from phsearch.client import Client
from support.harness import Daemon, photo, running
from support.hostile.fuzzing import Fuzzer, conversation

_GROWTH_MB = 10
_AT_ONCE = 50
"""The number of conversations of a process before it reports."""


def main(words: list[str] | None = None) -> int:
    """Print one line of counts; return 0 if there is no fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="5,000 requests")
    options = parser.parse_args(words)
    wanted = 5000 if options.quick else options.requests
    with tempfile.TemporaryDirectory(prefix="phsearch-fuzz-") as home, running(Path(home)) as daemon:
        for colour in ("red", "green", "blue"):
            photo(daemon.photos / f"{colour}.png", colour)
        daemon.becomes(photos=3, pending=0)
        return _fuzz(daemon, wanted, options.seed)


@dataclass
class HonestClient:
    """A client that sends valid requests in a thread and measures their time."""

    daemon: Daemon
    times: list[float] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Send requests until stopped."""
        while not self.ended.wait(0.02):
            start = time.perf_counter()
            with Client(self.daemon.socket, 60) as client:
                assert client.call("search", query="red")["photos"] == 3
            self.times.append((time.perf_counter() - start) * 1000)

    def median_over(self, seconds: float) -> float:
        """Return the median over a number of seconds, in ms."""
        asking = threading.Thread(target=self.ask)
        asking.start()
        time.sleep(seconds)
        self.ended.set()
        asking.join()
        return statistics.median(self.times)


def _fuzz(daemon: Daemon, wanted: int, seed: int) -> int:
    process = psutil.Process(daemon.pid)
    seeds = itertools.count(seed)
    requests = answers = 0
    with ProcessPoolExecutor(2) as pool:
        # Warm up: the cost of a first time is not growth.
        for made, heard in pool.map(_batch, *_arguments(daemon, seeds, 8)):
            requests, answers = requests + made, answers + heard
        before = HonestClient(daemon).median_over(3)
        memory, descriptors = process.memory_info().rss, process.num_fds()
        beside = HonestClient(daemon)
        asking = threading.Thread(target=beside.ask)
        asking.start()
        began = time.monotonic()
        halfway = 0
        while requests < wanted:
            if not halfway and requests >= wanted / 2:
                halfway = process.memory_info().rss
            sys.stdout.write(f"{requests:,} requests, {process.memory_info().rss / 1e6:.1f} MB\n")
            sys.stdout.flush()
            for made, heard in pool.map(_batch, *_arguments(daemon, seeds, 8)):
                requests, answers = requests + made, answers + heard
        seconds = time.monotonic() - began
        beside.ended.set()
        asking.join()
    after = HonestClient(daemon).median_over(3)
    time.sleep(1)
    growth = (process.memory_info().rss - memory) / 1e6
    later = (process.memory_info().rss - halfway) / 1e6
    more = process.num_fds() - descriptors
    log = daemon.log.read_text(errors="replace")
    bad = log.count("Traceback") + log.count(" ERROR ")
    median, quiet = statistics.median(beside.times), (before + after) / 2
    sys.stdout.write(
        f"fuzz: {requests:,} requests, {answers:,} answers in {seconds:.0f} s: {bad} tracebacks, {growth:+.1f} MB "
        f"({later:+.1f} MB in the second half), "
        f"{more:+d} descriptors; an honest query {median:.1f} ms beside them, {quiet:.1f} ms alone\n"
    )
    return int(bool(bad or later > _GROWTH_MB or more > 0 or daemon.status()["photos"] != 3))


def _arguments(daemon: Daemon, seeds: itertools.count[int], number: int) -> tuple[list[int], list[str], list[str]]:
    return [next(seeds) for _ in range(number)], [str(daemon.socket)] * number, [str(daemon.photos)] * number


def _batch(seed: int, socket: str, root: str) -> tuple[int, int]:
    fuzzer = Fuzzer(seed, Path(root))
    done = [conversation(fuzzer, Path(socket)) for _ in range(_AT_ONCE)]
    return sum(made for made, _ in done), sum(heard for _, heard in done)


if __name__ == "__main__":
    sys.exit(main())
