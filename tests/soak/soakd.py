"""`phsearchd` with shorter memories, so that what is bounded has reached its bounds before growth is measured.

Everything else is the real daemon: what is kept of deleted photos, in memory and on disk, and for how long old versions
of the tables are kept are numbers, taken from the environment here.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta

from phsearch import app, daemon
from phsearch.adapters import store_lance, store_retired, store_table
from phsearch.service import catalog

if __name__ == "__main__":
    if os.environ.get("PHSEARCH_SOAK_COLOURS") == "1":
        from colourd import COLOUR_WORKER

        # The default of the parameter, since app.main calls it without.
        daemon.run.__defaults__ = (COLOUR_WORKER,)
    bound = int(os.environ["PHSEARCH_SOAK_BOUND"])
    store_retired._MOST = bound
    catalog._REMEMBERED = bound
    store_lance._WRITES_BEFORE_TIDY = int(os.environ["PHSEARCH_SOAK_WRITES"])
    store_table._KEPT_VERSIONS = timedelta(seconds=float(os.environ["PHSEARCH_SOAK_VERSIONS"]))
    sys.exit(app.main())
