"""`phsearchd` with the colour worker, whose patience with clients is counted in tenths of seconds."""

from __future__ import annotations

from colourd import COLOUR_WORKER
from phsearch.daemon import main as app
from phsearch.daemon import run
from phsearch.service.rpc import connection, server

if __name__ == "__main__":
    run.run.__defaults__ = (COLOUR_WORKER,)
    connection.FIRST_REQUEST_SECONDS = connection.REQUEST_SECONDS = connection.WRITE_SECONDS = 0.8
    server._CONNECTIONS, server._SUBSCRIBERS = 40, 4
    app.main()
