"""Measures phsearch and its yardsticks in one run: `python tests/bench/run.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # In place of this folder, whose modules are not to be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from bench.main import main

    sys.exit(main())
