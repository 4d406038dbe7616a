"""`phsearchd` with workers that keep a ledger; with PHSEARCH_TORTURE_TIDY=1 its housekeeping comes every few seconds.

Everything else is the real daemon. Tidying is rare in a life of seconds, and it is to be hit by kills, too.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

os.environ.setdefault("LANCE_LOG", "error")

import machine
from phsearch.adapters.store import lance as store_lance
from phsearch.adapters.store import table as store_table
from phsearch.daemon import main as app
from phsearch.daemon import run as daemon
from phsearch.service.indexing import store_writer as writer

if __name__ == "__main__":
    # The default of the parameter, since app.main calls it without.
    daemon.run.__defaults__ = ((sys.executable, str(Path(__file__).with_name("counted_worker.py"))),)
    if os.environ.get("PHSEARCH_TORTURE_TIDY") == "1":
        writer._TIDY_AFTER_IDLE = 0.3
        store_lance._WRITES_BEFORE_TIDY = 3
        store_table._KEPT_VERSIONS = timedelta(seconds=2)
    machine.use()
    app.main()
