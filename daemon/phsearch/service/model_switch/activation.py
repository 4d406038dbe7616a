"""Lets a model that is complete answer, in one step of the event loop: no query is lost, and none sees half of it.

Its tables have the photos by the paths at which they were embedded. So they are compared with the library before the
step, and once more after it, because the library goes on changing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import TypeVar

    from phsearch.domain.library import Library
    from phsearch.domain.ports import ModelRows, Store
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.search.content_vectors import ContentVectors
    from phsearch.domain.types import Photo, Vectors
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.indexing.store_writer import StoreWriter
    from phsearch.service.model_switch.staged import StagedModel
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.threads import SerialExecutor
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.process import WorkerProcess

    _T = TypeVar("_T")

log = logging.getLogger("phsearch.model")

_AT_ONCE = 2_048


class TableAlignment:
    """Makes the tables of a model hold exactly the photos of the library, with the vectors of their contents."""

    def __init__(self, *, library: Library, roots: Roots, store_executor: SerialExecutor) -> None:
        self._library = library
        self._roots = roots
        self._executor = store_executor

    async def align(self, rows: ModelRows, vectors: ContentVectors) -> dict[bytes, str]:
        """Write what the tables lack, and delete what the library has not. Raises StoreError.

        Return the contents that they hold outside the roots, with a path of each; these stay.
        """
        wrong, unrooted = await self._differences(rows)
        for start in range(0, len(wrong), _AT_ONCE):
            paths = wrong[start : start + _AT_ONCE]
            photos = [photo for path in paths if (photo := self._library.get(path)) is not None]
            known = [photo for photo in photos if photo.digest in vectors]
            upserts = list(zip(known, vectors.vectors([photo.digest for photo in known]), strict=True))
            deletes = [path for path in paths if path not in self._library]
            await self._executor.submit(self._apply, rows, upserts, deletes)
        return unrooted

    def _apply(self, rows: ModelRows, upserts: list[tuple[Photo, Vectors]], deletes: list[str]) -> None:
        for refused in rows.apply(upserts, deletes=deletes, is_present=self._library.has_digest):
            log.error("%s: %s", refused.path, refused.reason)

    async def _differences(self, rows: ModelRows) -> tuple[list[str], dict[bytes, str]]:
        """Return the paths at which the tables differ from the library, and what they hold outside the roots."""
        left = {photo.path: photo for photo in self._library.photos()}
        wrong: list[str] = []
        unrooted: dict[bytes, str] = {}
        chunks = await self._executor.submit(rows.rows)
        while (chunk := await self._executor.submit(next, chunks, None)) is not None:
            for photo in chunk[0]:
                if self._roots.root_of(photo.path) is None:
                    unrooted[photo.digest] = photo.path
                elif left.pop(photo.path, None) != photo:
                    wrong.append(photo.path)
            await asyncio.sleep(0)
        return [*wrong, *left], unrooted


class ModelActivation:
    """Replaces the model that answers."""

    def __init__(
        self,
        *,
        model: ModelState,
        store: Store,
        store_executor: SerialExecutor,
        writer: StoreWriter,
        photo_index: PhotoIndex,
        router: PipelineRouter,
        removed: RemovedRoots,
        alignment: TableAlignment,
    ) -> None:
        self._model = model
        self._store = store
        self._store_executor = store_executor
        self._writer = writer
        self._photo_index = photo_index
        self._router = router
        self._removed = removed
        self._alignment = alignment

    async def activate(self, staged: StagedModel, remember: Callable[[], None], on_done: Callable[[], None]) -> None:
        """Let the staged model answer from now on; `remember` saves that first, and `on_done` is called at the step.

        Raises StoreError; then nothing has changed. When it is cancelled, the step is done wholly or not at all.
        """
        rows, vectors = staged.tables.rows, staged.tables.vectors
        await self._alignment.align(rows, vectors)
        await self._writer.flush()
        # No root comes or goes meanwhile, and nothing is written.
        async with self._removed.lock, self._writer.suspended():
            unrooted = await self._alignment.align(rows, vectors)
            lacking = await _run_to_end(self._step(staged, unrooted, remember, on_done))
        try:
            for photo in await lacking:
                self._index_anew(photo)
            await self._align_rest(rows, vectors)
        except StoreError as error:
            log.warning("%s; the next start puts it right", error.sentence())

    async def _step(
        self,
        staged: StagedModel,
        unrooted: Mapping[bytes, str],
        remember: Callable[[], None],
        on_done: Callable[[], None],
    ) -> asyncio.Future[list[Photo]]:
        await asyncio.to_thread(remember)
        process = await staged.text_worker.release_process()
        lacking = self._replace(staged, unrooted, process)
        on_done()
        return lacking

    def _replace(
        self,
        staged: StagedModel,
        unrooted: Mapping[bytes, str],
        process: WorkerProcess | None,
    ) -> asyncio.Future[list[Photo]]:
        """Do the step. Nothing is awaited, so whatever is asked comes before it or after it."""
        self._model.replace_by(staged.state)
        lacking = self._photo_index.use_vectors(staged.tables.vectors, unrooted)
        self._writer.discard_photos()
        self._store_executor.submit_logged(self._store.use_model, staged.tables.hand_over())
        staged.use_workers(process)
        log.info("%s answers now", staged.name)
        return lacking

    def _index_anew(self, photo: Photo) -> None:
        """Have a photo that came in the last moment, or that the model cannot embed, indexed as a new one."""
        pipeline = self._router.pipeline_of(photo.path)
        if pipeline is not None and self._photo_index.library.get(photo.path) is not None:
            pipeline.retry_path(photo.path)

    async def _align_rest(self, rows: ModelRows, vectors: ContentVectors) -> None:
        """Write what changed between the last comparison and the step."""
        await self._photo_index.drain_renames()
        await self._writer.flush()
        await self._alignment.align(rows, vectors)


async def _run_to_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Return what `work` returns. It is run to its end even if this is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
