"""A constant load of queries and status requests."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Self

from bench.context import LONG
from bench.measures.queries import distinct_texts
from phsearch.client import Client

if TYPE_CHECKING:
    from support.harness import Daemon

_PAUSE = 0.1
_STATUS_EVERY = 10


class QueryLoad:
    """Sends queries from a thread until it is stopped, and collects the milliseconds of each query."""

    def __init__(self, daemon: Daemon) -> None:
        self.failure: BaseException | None = None
        self._daemon = daemon
        self._taken: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def take(self) -> list[float]:
        """Return the milliseconds of the queries since the last call."""
        if self.failure is not None:
            raise self.failure
        taken, self._taken = self._taken, []
        return taken

    def _run(self) -> None:
        try:
            texts = distinct_texts()
            for number in itertools.count():
                if self._over.wait(_PAUSE):
                    return
                # One connection for each query, as with the client: anything left over from them would add up.
                with Client(self._daemon.socket, LONG) as client:
                    start = time.perf_counter()
                    client.call("search", query=next(texts))
                    self._taken.append((time.perf_counter() - start) * 1000)
                    if number % _STATUS_EVERY == 0:
                        client.call("status")
        except BaseException as error:  # noqa: BLE001 - raised by `take`
            self.failure = error
