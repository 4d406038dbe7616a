"""The daemon with the colour worker, and with two seconds' patience for its store instead of half an hour."""

from __future__ import annotations

from colourd import COLOUR_WORKER
from phsearch.daemon import compose_index, run
from phsearch.daemon import main as app

if __name__ == "__main__":
    run.run.__defaults__ = (COLOUR_WORKER,)
    vars(compose_index)["_STORE_PATIENCE"] = 2.0
    app.main()
