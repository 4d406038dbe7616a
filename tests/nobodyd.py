"""`phsearchd` of the user nobody, started by root; its workers may not start, which nobody asks of it."""

from __future__ import annotations

import os

# Imported while we may: Python itself may lie in root's home.
import phsearch.adapters.store_lance
import phsearch.daemon
from colourd import COLOUR_WORKER
from phsearch import app

if __name__ == "__main__":
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    phsearch.daemon.run.__defaults__ = (COLOUR_WORKER,)
    app.main()
