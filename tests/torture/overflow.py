"""Creates 30,000 files while the reader is stopped: the kernel's queue overflows, and every file must still be found.

The model is a colour; the daemon, its watch and the overflow are real. Exit status 1 if anything was missed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from support.harness import Daemon, photo, running, wait_until

_QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
_ORIGINALS = 50
_FOLDERS = 100


def main(words: list[str] | None = None) -> int:
    """Print one line of counts; return 0 if nothing was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=30_000, help="how many files to create")
    parser.add_argument("--quick", action="store_true", help="just as many as make the queue overflow")
    options = parser.parse_args(words)
    files = int(_QUEUE.read_text()) + 2000 if options.quick else options.files
    with tempfile.TemporaryDirectory(prefix="phsearch-overflow-") as home, running(Path(home)) as daemon:
        return _overflow(daemon, files)


def _overflow(daemon: Daemon, files: int) -> int:
    originals = [photo(daemon.home / "originals" / f"{n}.png", (n, 0, 0), (16, 16)) for n in range(_ORIGINALS)]
    folders = [daemon.photos / str(number) for number in range(_FOLDERS)]
    for folder in folders:
        folder.mkdir()
    daemon.cli("--sync", "red")  # the folders are watched
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        for number in range(files):
            os.link(originals[number % _ORIGINALS], folders[number % _FOLDERS] / f"{number}.png")
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    start = time.monotonic()
    wait_until(lambda: daemon.status()["photos"] == files, f"{files} photos are indexed", 600)
    seconds = time.monotonic() - start
    status = daemon.settled(60)
    missed, errors = files - status["photos"], status["errors"]
    overflows = status["roots"][0]["overflows"]
    counters = status["counters"]
    sys.stdout.write(
        f"overflow: {files:,} files against a stopped reader: {overflows} overflows, {missed} missed, "
        f"{counters['embedded']:,} embedded, {counters['reused']:,} by content, {errors} errors, in {seconds:.1f} s\n"
    )
    return int(bool(missed or errors or not overflows))


if __name__ == "__main__":
    sys.exit(main())
