"""Measures phsearch and its yardsticks in one run: `python tests/bench/run.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from bench.main import main

    sys.exit(main())
