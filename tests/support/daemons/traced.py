"""`phsearchd` that notes which of its files are entered, as do its workers; see support.routes."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # In place of this folder, whose modules are not to be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from phsearch.daemon.main import main
from support.machine import fake_power
from support.routes import Tracer
from support.workers import TRACED_WORKER

if __name__ == "__main__":
    Tracer().install()
    fake_power.use()
    main(worker=TRACED_WORKER)
