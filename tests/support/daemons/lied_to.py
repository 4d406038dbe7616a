"""`phsearchd` whose index worker is taken over by photos whose names contain "lies"."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from phsearch.daemon.main import main
from support.machine import fake_power
from support.workers import LYING_WORKER

if __name__ == "__main__":
    fake_power.use()
    main(worker=LYING_WORKER)
