"""Photos that are embedded again to compare: nobody but the asker learns of their outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phsearch.domain.outcome import Outcome


class Checks:
    """Who waits for the outcome of which check."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[Outcome]]] = {}

    def ask(self, path: str) -> asyncio.Future[Outcome]:
        """Give the future outcome of a check."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(path, []).append(future)
        return future

    def forget(self, path: str, future: asyncio.Future[Outcome]) -> bool:
        """Let go of an asker; tells whether nobody waits for that check any more."""
        waiting = self._waiting.get(path, [])
        if future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[path]
                return True
        return False

    def settle(self, outcome: Outcome) -> None:
        """Tell everybody who asked."""
        for future in self._waiting.pop(outcome.photo.path, []):
            if not future.done():
                future.set_result(outcome)
