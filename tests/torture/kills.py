"""Kills the daemon or a worker with kill -9, again and again, while photos are added, changed, moved and deleted.

Afterwards the index is compared with the disk: every photo on the disk must be in the table once, with its own
fingerprint, digest and vector, and nothing else. A photo that was embedded twice must have been in flight at a kill.
The exit status is 1 on any loss. The seed is printed; it fixes the actions, but not their timing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from torture.disturbances import private
from torture.run_kills import KillRun, Plan


def main(words: list[str] | None = None) -> int:
    """Run as the options say; return 1 if anything was lost."""
    options = _options(words)
    if options.full_disk and not private.enter():
        print("kills --full-disk: skipped: this user may not mount a file system, not even in a namespace of its own")
        return 0
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    plan = Plan(
        seed=seed,
        kills=options.kills or (40 if options.quick else 200),
        photos=options.count or (150 if options.quick else 640),
        model="colour" if options.quick else options.model,
        pauses=options.pauses,
        full_disk=options.full_disk,
        own=Path(options.photos).expanduser() if options.photos else None,
    )
    print(plan.describe(), flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="phsearch-torture-", ignore_cleanup_errors=True) as home:
        report = KillRun(Path(home), plan).run(print)
        if report.faults and options.keep:
            os.rename(home, options.keep)
            print(f"kept in {options.keep}")
    for fault in report.faults[:50]:
        print(f"  FAULT {fault}")
    print(report.line(), flush=True)
    return 1 if report.faults else 0


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, metavar="N", help="how many (200; 40 with --quick)")
    parser.add_argument("--count", type=int, metavar="N", help="how many photos (640; 150 with --quick)")
    parser.add_argument("--photos", metavar="DIR", help="use the photos of this folder; it is only read")
    parser.add_argument("--model", default="mini", help='"mini", or "colour": no model, a tenth of the time')
    parser.add_argument("--pauses", action="store_true", help="also SIGSTOP and SIGCONT daemon and workers")
    parser.add_argument("--full-disk", action="store_true", help="the state lies on a small disk that is often full")
    parser.add_argument("--quick", action="store_true", help="the short form, with the colour model")
    parser.add_argument("--seed", type=int, help="repeat the choices of an earlier run")
    parser.add_argument("--keep", metavar="DIR", help="move everything there if there was a fault")
    return parser.parse_args(words)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
