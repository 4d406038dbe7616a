"""Photos that are embedded again only to compare their vectors: each result goes to its callers, and nowhere else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phsearch.domain.indexing.batching import EmbedResult


class PendingChecks:
    """The futures of the callers that wait for a check, by path."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[EmbedResult]]] = {}

    def add_check(self, path: str) -> asyncio.Future[EmbedResult]:
        """Return a future for the result of a check."""
        future: asyncio.Future[EmbedResult] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(path, []).append(future)
        return future

    def remove_check(self, path: str, future: asyncio.Future[EmbedResult]) -> bool:
        """Drop a future. Return whether it was the last that waited for this check."""
        waiting = self._waiting.get(path, [])
        if future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[path]
                return True
        return False

    def resolve(self, result: EmbedResult) -> None:
        """Resolve all futures of a check."""
        for future in self._waiting.pop(result.photo.path, []):
            if not future.done():
                future.set_result(result)
