"""Unplugs a disk and plugs it in again, 20 times, while the daemon gets queries all the time.

Nothing may be deleted and nothing embedded twice; every answer must have every photo of the absent disk. In the second
half photos are copied meanwhile, to the disk and beside it. Sometimes something else is mounted in the
disk's place: an empty file system, or one with other photos. If this user may not mount, the disk is a folder
that is renamed. The exit status is 1 on any fault.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from torture.disturbances import private
from torture.unplug_run import UnplugRun


def main(words: list[str] | None = None) -> int:
    """Run as the options say; return 1 if anything was deleted, embedded again or not answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, metavar="N", help="how often (20; 6 with --quick)")
    parser.add_argument("--rename", action="store_true", help="rename a folder instead of mounting")
    parser.add_argument("--quick", action="store_true", help="the short form")
    options = parser.parse_args(words)
    mounting = not options.rename and private.enter()
    rounds = options.rounds or (6 if options.quick else 20)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"{rounds} times unplugged, by {'mounts' if mounting else 'renaming a folder'}", flush=True)
    with tempfile.TemporaryDirectory(prefix="phsearch-torture-", ignore_cleanup_errors=True) as home:
        report = UnplugRun(Path(home), rounds, mounting=mounting).run(print)
    for fault in report.faults[:50]:
        print(f"  FAULT {fault}")
    print(report.line(), flush=True)
    return 1 if report.faults else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
