"""The models that were in use before: their tables and prepared files are kept for some days, and then removed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.ports import Store
    from phsearch.domain.types import ModelName
    from phsearch.service.threads import SerialExecutor

log = logging.getLogger("phsearch.model")


class FormerModels:
    """Removes what is kept of models. `remove_files` removes what is prepared for one, and returns its bytes."""

    def __init__(
        self,
        *,
        store: Store,
        executor: SerialExecutor,
        keep_days: float,
        remove_files: Callable[[ModelName], int],
    ) -> None:
        self._store = store
        self._executor = executor
        self.keep_days = keep_days
        self._remove_files = remove_files

    async def sizes(self) -> dict[ModelName, int]:
        """Return the models that have photos in the index, with the bytes of their tables. Raises StoreError."""
        return await self._executor.submit(self._store.models)

    async def remove(self, model: ModelName) -> int:
        """Remove a model that is not in use, and return how many bytes that freed. Raises StoreError."""
        freed = await self._executor.submit(self._store.remove_model, model)
        return freed + await asyncio.to_thread(self._remove_files, model)

    async def expire(self, model: ModelName) -> bool:
        """Remove a model whose days are over; return whether that could be done."""
        try:
            freed = await self.remove(model)
        except StoreError as error:
            log.warning("%s", error.sentence())
            return False
        log.info("the index of %s, not in use for %g days, was removed: %.1f MB", model, self.keep_days, freed / 1e6)
        return True
