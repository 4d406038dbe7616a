"""`phsearchd` with the colour worker, and with time-outs of tenths of seconds for clients."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from phsearch.daemon.main import main
from phsearch.service.rpc import connection, server
from support.time_limits import scaled
from support.workers import COLOUR_WORKER

SECONDS = scaled(0.3)

if __name__ == "__main__":
    connection.FIRST_REQUEST_SECONDS = connection.REQUEST_SECONDS = connection.WRITE_SECONDS = SECONDS
    server._CONNECTIONS, server._SUBSCRIBERS = 40, 4
    main(worker=COLOUR_WORKER)
