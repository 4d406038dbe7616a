"""`phsearchd` with the colour worker in place of CLIP: the real daemon, in a tenth of the time."""

from __future__ import annotations

import sys
from pathlib import Path

import machine
from phsearch.daemon import main as app
from phsearch.daemon import run

COLOUR_WORKER = (sys.executable, str(Path(__file__).with_name("colour_worker.py")))

if __name__ == "__main__":
    # The default of the parameter, since app.main calls it without.
    run.run.__defaults__ = (COLOUR_WORKER,)
    machine.use()
    app.main()
