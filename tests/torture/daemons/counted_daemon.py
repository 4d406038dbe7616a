"""`phsearchd` whose workers record each photo they embed; with PHSEARCH_TORTURE_TIDY=1 it optimizes every few seconds.

Everything else is the real daemon. Optimizing is rare in a run of seconds, and kills must hit it, too.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

os.environ.setdefault("LANCE_LOG", "error")

from phsearch.adapters.store import lance, table
from phsearch.daemon.main import main
from phsearch.service.indexing import store_writer
from support.machine import fake_power

if __name__ == "__main__":
    worker = (sys.executable, str(Path(__file__).with_name("counted_worker.py")))
    if os.environ.get("PHSEARCH_TORTURE_TIDY") == "1":
        store_writer._OPTIMIZE_AFTER_IDLE = 0.3
        lance._WRITES_BEFORE_OPTIMIZE = 3
        table._KEPT_VERSIONS = timedelta(seconds=2)
    fake_power.use()
    main(worker=worker, has_model=os.environ.get("PHSEARCH_TORTURE_MODEL") != "colour")
