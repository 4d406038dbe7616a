"""`phsearchd` with the colour worker, and with seconds for a call of the store instead of half an hour."""

from __future__ import annotations

import sys
from pathlib import Path

from support.time_limits import scaled

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from phsearch.daemon import compose_index
from phsearch.daemon.main import main
from support.workers import COLOUR_WORKER

if __name__ == "__main__":
    vars(compose_index)["_STORE_PATIENCE"] = scaled(0.7)
    main(worker=COLOUR_WORKER)
