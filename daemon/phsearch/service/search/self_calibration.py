"""Calibrates a model that nobody calibrated, while it is used: a search that finds none begins it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from phsearch.domain.search import everyday
from phsearch.domain.search.own_calibration import EVERY, LEAST_PHOTOS, TEMPLATES, own_calibration
from phsearch.errors import PhsearchError
from phsearch.service.search.query_embedder import embed_many

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import ModelIdentity
    from phsearch.service.search.query_embedder import TextVectorCache
    from phsearch.service.threads import SerialExecutor
    from phsearch.service.workers.model_state import ModelState

log = logging.getLogger("phsearch.query")

_GROWTH = 4
"""It is made anew for a library that has so many times the photos it was made from."""
_MOST_PHOTOS = 2_000
"""More of them say nothing new."""


class SelfCalibration:
    """Makes the calibration of a model. `save` writes it, and `made` is called then."""

    def __init__(
        self,
        *,
        model: ModelState,
        text_vectors: TextVectorCache,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        save: Callable[[ModelIdentity, Calibration], None],
        made: Callable[[], None],
    ) -> None:
        self._model = model
        self._text_vectors = text_vectors
        self._index = index
        self._executor = rank_executor
        self._save, self._made = save, made
        self._running: asyncio.Task[None] | None = None

    def consider(self, calibration: Calibration) -> None:
        """Begin one if `calibration`, that in use, is none or was made from far fewer photos."""
        if self._running is not None:
            return
        photos = min(len(self._index), _MOST_PHOTOS)
        if photos >= max(LEAST_PHOTOS, _GROWTH * calibration.own_photos) and self._model.bound is not None:
            self._running = asyncio.create_task(self._calibrate(self._model.bound))

    async def _calibrate(self, identity: ModelIdentity) -> None:
        epoch = self._model.epoch
        try:
            phrases = await embed_many(self._text_vectors, everyday.phrases()[::EVERY], TEMPLATES)
            made = await self._executor.submit(lambda: own_calibration(self._index.spread_out(_MOST_PHOTOS), phrases))
            if epoch == self._model.epoch:
                await asyncio.to_thread(self._save, identity, made)
                self._made()
                log.info("the model has been calibrated on %d of the photos here", made.own_photos)
        except PhsearchError as problem:
            log.info("the model could not be calibrated now: %s", problem)
        except OSError as problem:
            log.warning("the calibration could not be written: %s", problem)
        finally:
            self._running = None
