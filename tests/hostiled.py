"""`phsearchd` whose workers crash, hang or devour memory at some file names."""

from __future__ import annotations

import sys
from pathlib import Path

import machine
from phsearch.daemon import main as app
from phsearch.daemon import run

HOSTILE_WORKER = (sys.executable, str(Path(__file__).with_name("hostile_worker.py")))

if __name__ == "__main__":
    run.run.__defaults__ = (HOSTILE_WORKER,)
    machine.use()
    app.main()
