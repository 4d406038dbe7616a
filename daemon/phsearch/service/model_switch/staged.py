"""A model that is being prepared beside the one that answers: its workers, its tables, and the vectors so far."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from phsearch.domain.search.content_vectors import ContentVectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.indexing.batching import EmbedResult
    from phsearch.domain.ports import ModelRows, Store
    from phsearch.domain.types import ModelIdentity, ModelName
    from phsearch.service.model_switch.preview import Preview
    from phsearch.service.threads import SerialExecutor
    from phsearch.service.workers.image_worker import ImageWorker
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.process import WorkerProcess
    from phsearch.service.workers.text_worker import TextWorker


class StagedTables:
    """The tables of a model that does not answer yet. They are opened when its first worker says which model it is."""

    def __init__(self, store: Store, executor: SerialExecutor) -> None:
        self._store = store
        self._executor = executor
        self._opened: tuple[ModelIdentity, ModelRows] | None = None
        self.vectors = ContentVectors()
        """What is in them, and what was embedded since."""

    @property
    def rows(self) -> ModelRows:
        """The tables, which have been opened."""
        assert self._opened is not None
        return self._opened[1]

    def create_or_check(self, identity: ModelIdentity) -> None:
        """Open the tables of this model, and load the vectors; this runs on the store's thread. Raises StoreError."""
        if self._opened is not None and self._opened[0] == identity:
            return
        self._close()
        rows = self._store.open_model(identity)
        photos, vectors = rows.load()
        # The weights may have been changed while it was being prepared. Then all begins anew.
        self.vectors = ContentVectors()
        self.vectors.put_vectors([photo.digest for photo in photos], vectors)
        self._opened = identity, rows

    def hand_over(self) -> ModelRows:
        """Return the tables, which others use and close from now on."""
        rows, self._opened = self.rows, None
        return rows

    async def close(self) -> None:
        """Close the tables, if they are still here."""
        await asyncio.shield(self._executor.submit(self._close))

    def _close(self) -> None:
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedModel:
    """The parts of one model.

    `use_workers` gives the workers of the daemon the commands of this model; the process answers texts from then on.
    """

    name: ModelName
    state: ModelState
    tables: StagedTables
    text_worker: TextWorker
    image_worker: ImageWorker
    preview: Preview
    use_workers: Callable[[WorkerProcess | None], None]


class StageModel(Protocol):
    """Builds the parts of a model."""

    def __call__(self, name: ModelName, on_result: Callable[[EmbedResult], None]) -> StagedModel:
        """Return the parts. Nothing runs yet; the image worker hands its results to `on_result`."""
