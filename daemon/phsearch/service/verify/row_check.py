"""First check: every row of the store agrees with the library and with the vectors in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.domain.verification import Mismatch, compare_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phsearch.domain.library import Library
    from phsearch.domain.ports import Store
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Photo, Vectors
    from phsearch.domain.verification import Report
    from phsearch.service.indexing.store_writer import StoreWriter
    from phsearch.service.threads import SerialExecutor


class RowCheck:
    """Compares all rows, after all pending changes are written."""

    def __init__(
        self,
        *,
        store: Store,
        store_executor: SerialExecutor,
        writer: StoreWriter,
        library: Library,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        roots: Roots,
        verify_executor: SerialExecutor,
    ) -> None:
        self._store = store
        self._store_executor = store_executor
        self._writer = writer
        self._library = library
        self._index = index
        self._rank_executor = rank_executor
        self._roots = roots
        self._verify_executor = verify_executor

    async def check(self, report: Report) -> None:
        """Report the differences that two passes in a row find. Raises StoreError."""
        differing = await self._differing(report)
        if differing:
            differing &= await self._differing(report)
        report.mismatches += sorted(differing, key=lambda each: each.path)

    async def _differing(self, report: Report) -> set[Mismatch]:
        # The rename of a photo reaches the writer only after a call of the rank executor.
        await self._rank_executor.submit(int)
        await self._writer.flush()
        photos = {photo.path: photo for photo in self._library.photos()}
        unwritten = self._writer.unwritten()
        seen: set[str] = set()
        found: set[Mismatch] = set()
        report.rows = 0
        chunks = self._store.rows()
        while (chunk := await self._store_executor.submit(next, chunks, None)) is not None:
            rows, vectors = chunk
            report.rows += len(rows)
            resident = await self._rank_executor.submit(_vectors, self._index, rows)
            found |= set(await self._verify_executor.submit(list, compare_rows(rows, vectors, resident, photos, seen)))
        found |= {Mismatch(path, "not stored", "it has no row on disk") for path in photos.keys() - seen}
        ranked = set(await self._rank_executor.submit(self._index.paths))
        found |= {Mismatch(path, "left over", "it is ranked but not in the library") for path in ranked - photos.keys()}
        return {each for each in found if each.path not in unwritten and self._concerns(each.path, photos)}

    def _concerns(self, path: str, photos: dict[str, Photo]) -> bool:
        """Whether a path is watched and has not changed meanwhile.

        Photos of folders that are no longer watched stay in the store, in case they are watched again.
        """
        return self._library.get(path) is photos.get(path) and self._roots.root_of(path) is not None


def _vectors(index: VectorIndex, photos: Iterable[Photo]) -> list[Vectors | None]:
    return [index.vector(photo.path) for photo in photos]
