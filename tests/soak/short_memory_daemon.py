"""`phsearchd` with lower limits, so that everything with a limit has reached it before growth is measured.

Everything else is the real daemon. How many deleted photos are kept in memory and on disk, how long old versions of
the tables are kept, and after how many writes they are optimized are numbers, taken from the environment here.
"""

from __future__ import annotations

import os
from datetime import timedelta

from phsearch.daemon import run
from phsearch.daemon.main import main
from phsearch.service.indexing import photo_index
from support.workers import COLOUR_WORKER

if __name__ == "__main__":
    run._limit_malloc_arenas()
    from phsearch.adapters.store import deleted_vectors, lance, table

    worker = COLOUR_WORKER if os.environ["PHSEARCH_SOAK_COLOURS"] == "1" else None
    deleted_vectors._MOST = photo_index._RECENT = int(os.environ["PHSEARCH_SOAK_BOUND"])
    lance._WRITES_BEFORE_OPTIMIZE = int(os.environ["PHSEARCH_SOAK_WRITES"])
    table._KEPT_VERSIONS = timedelta(seconds=float(os.environ["PHSEARCH_SOAK_VERSIONS"]))
    main(worker=worker)
