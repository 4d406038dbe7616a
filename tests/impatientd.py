"""The daemon with the colour worker, and with two seconds' patience for its store instead of half an hour."""

from __future__ import annotations

from colourd import COLOUR_WORKER
from phsearch import app, daemon
from phsearch.assembly import indexing

if __name__ == "__main__":
    daemon.run.__defaults__ = (COLOUR_WORKER,)
    vars(indexing)["_STORE_PATIENCE"] = 2.0
    app.main()
