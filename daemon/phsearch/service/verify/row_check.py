"""The first question: does every row of the store say what the library and the resident matrix say."""

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
    """Compares all rows, after everything known has been written."""

    def __init__(
        self,
        store: Store,
        store_executor: SerialExecutor,
        writer: StoreWriter,
        library: Library,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        roots: Roots,
        executor: SerialExecutor,
    ) -> None:
        self._store = store
        self._store_executor = store_executor
        self._writer = writer
        self._library = library
        self._index = index
        self._rank_executor = rank_executor
        self._roots = roots
        self._executor = executor

    async def check(self, findings: Report) -> None:
        """Note what differs, twice in a row. Raises StoreError."""
        differing = await self._differing(findings)
        if differing:
            differing &= await self._differing(findings)
        findings.mismatches += sorted(differing, key=lambda each: each.path)

    async def _differing(self, findings: Report) -> set[Mismatch]:
        # A photo being renamed tells the writer only when the rank lane has had its turn.
        await self._rank_executor.submit(int)
        await self._writer.flush()
        known = {photo.path: photo for photo in self._library.photos()}
        unwritten = self._writer.unwritten()
        seen: set[str] = set()
        found: set[Mismatch] = set()
        findings.rows = 0
        chunks = self._store.rows()
        while (chunk := await self._store_executor.submit(next, chunks, None)) is not None:
            rows, vectors = chunk
            findings.rows += len(rows)
            resident = await self._rank_executor.submit(_vectors, self._index, rows)
            found |= set(await self._executor.submit(list, compare_rows(rows, vectors, resident, known, seen)))
        found |= {Mismatch(path, "not stored", "it has no row on disk") for path in known.keys() - seen}
        ranked = set(await self._rank_executor.submit(self._index.paths))
        found |= {Mismatch(path, "left over", "it is ranked but not in the library") for path in ranked - known.keys()}
        return {each for each in found if each.path not in unwritten and self._concerns(each.path, known)}

    def _concerns(self, path: str, known: dict[str, Photo]) -> bool:
        """Tell whether nothing was learned of a path meanwhile, and whether it is watched at all.

        Photos of folders that are not watched any more stay in the store for the day that they are.
        """
        return self._library.get(path) is known.get(path) and self._roots.root_of(path) is not None


def _vectors(index: VectorIndex, photos: Iterable[Photo]) -> list[Vectors | None]:
    return [index.vector(photo.path) for photo in photos]
