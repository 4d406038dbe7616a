"""Runs all tortures, one after the other, and prints a summary: `python tests/torture/run.py --help`.

A torture is a script in this folder that prints counts, with a summary in the last line, and exits with 1 on any loss.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TORTURES: dict[str, tuple[str, ...]] = {
    "kills": ("kills.py",),
    "pauses": ("kills.py", "--pauses", "--model", "colour"),
    "full-disk": ("kills.py", "--full-disk", "--model", "colour"),
    "volumes": ("volumes.py",),
    "switches": ("switches.py",),
    "overflow": ("overflow.py",),
    "fuzz": ("fuzz.py",),
}
"""Name -> script and options."""
QUICK: dict[str, tuple[str, ...]] = {
    "kills": ("--quick",),
    "pauses": ("--quick", "--kills", "12", "--count", "60"),
    "full-disk": ("--quick", "--kills", "12", "--count", "60"),
    "volumes": ("--quick", "--rounds", "4"),
    "switches": ("--quick",),
    "overflow": ("--quick",),
    "fuzz": ("--quick",),
}
"""Options added for the short form."""


def main() -> int:
    """Run them; return 1 if any of them found a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the short form of each: about two minutes in all")
    parser.add_argument("--only", choices=TORTURES, action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    results: list[tuple[str, str, str, float]] = []
    for name in options.only or TORTURES:
        script, *words = TORTURES[name]
        print(f"== {name}: {' '.join((script, *words))}", flush=True)
        began = time.monotonic()
        status, last = _run([script, *words, *(QUICK[name] if options.quick else ())])
        results.append((name, "held" if status == 0 else "FAILED", last, time.monotonic() - began))
    print("\nsummary")
    for name, verdict, last, seconds in results:
        print(f"{name:10} {verdict:7} {seconds:5.0f} s  {last}")
    return int(any(verdict == "FAILED" for _, verdict, _, _ in results))


def _run(words: list[str]) -> tuple[int, str]:
    """Run one script and print its output; return its exit status and its last line."""
    last = ""
    command = [sys.executable, str(HERE / words[0]), *words[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="surrogateescape") as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line.encode("utf-8", "backslashreplace").decode())
            sys.stdout.flush()
            last = line.strip()
        return process.wait(), last


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
