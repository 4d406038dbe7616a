"""The index's figures on disk, for whoever asks, without ever waiting long for the store.

The store's lane may be busy with maintenance for many seconds; then what was known before is given.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from phsearch.errors import StoreError

if TYPE_CHECKING:
    from phsearch.domain.ports import Store
    from phsearch.domain.types import TableFigures
    from phsearch.service.lanes import Lane

log = logging.getLogger("phsearch.store")

_FRESH = 10.0
_PATIENCE = 0.5


class Figures:
    """Measured when asked for, at most every ten seconds."""

    def __init__(self, store: Store, lane: Lane) -> None:
        self._store = store
        self._lane = lane
        self._known: list[TableFigures] = []
        self._measured = float("-inf")
        self._measuring: asyncio.Task[None] | None = None

    async def latest(self) -> list[TableFigures]:
        """Give the newest figures to be had now; none before they could ever be measured."""
        if self._measuring is None and time.monotonic() - self._measured > _FRESH:
            self._measuring = asyncio.create_task(self._measure())
        if self._measuring is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await asyncio.shield(self._measuring)
        return self._known

    async def _measure(self) -> None:
        try:
            self._known = await self._lane.run(self._store.figures)
            self._measured = time.monotonic()
        except StoreError as error:
            log.debug("the index's figures cannot be had: %s", error)
        finally:
            self._measuring = None
