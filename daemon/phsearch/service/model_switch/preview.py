"""Searches by a model that is being prepared: over the photos that it has a vector of so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.library import Library
    from phsearch.domain.search.content_vectors import ContentVectors
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Photo
    from phsearch.service.search.searcher import Searcher, SearchRequest, SearchResults
    from phsearch.service.threads import SerialExecutor
    from phsearch.service.workers.on_demand import OnDemandWorker


class Preview:
    """Loads what there is into an index of its own before each search, on a thread of its own.

    `searcher` searches that `index` on that `executor`, and embeds other photos with `like_worker`.
    """

    def __init__(
        self,
        *,
        library: Library,
        vectors: Callable[[], ContentVectors],
        index: VectorIndex,
        executor: SerialExecutor,
        searcher: Searcher,
        like_worker: OnDemandWorker,
    ) -> None:
        self._library = library
        self._vectors = vectors
        self._index = index
        self._executor = executor
        self._searcher = searcher
        self._like_worker = like_worker

    async def search(self, request: SearchRequest) -> SearchResults:
        """Answer one request. Raises as `Searcher.search`."""
        self._searcher.check(request)
        vectors = self._vectors()
        photos = [photo for photo in self._library.photos() if photo.digest in vectors]
        await self._executor.submit(self._load, photos, vectors)
        return await self._searcher.search(request)

    async def close(self) -> None:
        """End the worker and the thread."""
        await self._like_worker.stop_now()
        self._executor.close()

    def _load(self, photos: list[Photo], vectors: ContentVectors) -> None:
        self._index.load(photos, vectors.vectors([photo.digest for photo in photos]))
