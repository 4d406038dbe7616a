"""Vectors of deleted photos, by their content, in case they come back from a backup or another disk.

This is a table like that of the photos, whose key is the content's digest. Its rows are limited in number and age. The
oldest are deleted first, when the table is optimized.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING

from phsearch.adapters.store import arrow_rows
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    import pyarrow as pa

    from phsearch.adapters.store.table import Table
    from phsearch.domain.types import PhotoInfo, Vectors

log = logging.getLogger("phsearch.store")

_MOST = 50_000
"""About 40 MB on disk with 384 dimensions."""
_SECONDS = 180 * 86_400


class DeletedVectors:
    """The table of one model. Any thread may call `has_digest`, only the store's thread the rest."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._deleted_at: dict[bytes, float] = {}
        """By content, when it was deleted; the oldest first."""

    def has_digest(self, digest: bytes) -> bool:
        """Whether the vector of a content is known."""
        return digest in self._deleted_at

    def load_digests(self) -> None:
        """Load what there is, and delete what is old. Raises StoreError."""
        aged = self._table.collect(_collect_ages)
        if aged is None:
            return
        self._deleted_at = {bytes.fromhex(key): at for at, key in sorted(aged)}
        try:
            self._delete_old()
        except StoreError as error:
            # The disk cannot be written now. Searches go on, and the next `optimize` deletes it.
            log.warning("%s", error.sentence())

    def keep_rows(self, photos: Table, keys: Sequence[str], is_present: Callable[[bytes], bool]) -> None:
        """Copy the rows that `photos` has for these keys, unless another photo has the same content.

        Raises StoreError.
        """
        for table in photos.select(keys):
            found, vectors = arrow_rows.photos_from_arrow(table)
            chosen = {photo.digest: row for row, photo in enumerate(found) if photo.digest not in self._deleted_at}
            chosen = {digest: row for digest, row in chosen.items() if not is_present(digest)}
            if not chosen:
                continue
            now = time.time()
            kept = [
                dataclasses.replace(found[row], path=digest.hex(), root="", indexed_at=now)
                for digest, row in chosen.items()
            ]
            self._table.create(photos.schema)
            with self._table.writing():
                rows = list(zip(kept, vectors[list(chosen.values())], strict=True))
                self._table.merge(arrow_rows.photos_to_arrow(rows, self._table.schema)[0])
            self._deleted_at.update(dict.fromkeys(chosen, now))

    def drop_digests(self, digests: Iterable[bytes]) -> None:
        """Delete contents that photos have again. Raises StoreError."""
        back = {digest for digest in digests if digest in self._deleted_at}
        if back:
            self._delete(back)

    def find_digest(self, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        """Return what is known of a content, with its vector, [dim]. Raises StoreError."""
        if digest not in self._deleted_at:
            return None
        for table in self._table.select([digest.hex()]):
            photos, vectors = arrow_rows.photos_from_arrow(table)
            if photos:
                return photos[0].info, vectors[0]
        return None

    def optimize(self) -> float | None:
        """Delete what is old or too much, and optimize the rest as `Table.optimize` does. Raises StoreError."""
        self._delete_old()
        return self._table.optimize()

    def _delete_old(self) -> None:
        oldest = time.time() - _SECONDS
        kept = list(self._deleted_at)[-_MOST:] if _MOST else []
        kept = [digest for digest in kept if self._deleted_at[digest] >= oldest]
        if len(kept) == len(self._deleted_at):
            return
        self._delete(self._deleted_at.keys() - kept)

    def _delete(self, digests: AbstractSet[bytes]) -> None:
        with self._table.writing():
            self._table.delete([digest.hex() for digest in digests])
        # A new dict in place of the old one, because other threads may read it.
        self._deleted_at = {digest: at for digest, at in self._deleted_at.items() if digest not in digests}


def _collect_ages(_count: int, batches: Iterable[pa.Table]) -> list[tuple[float, str]]:
    """Return when each content was deleted, with its key. All columns are read, to know that they can be."""
    return [
        aged
        for batch in batches
        for aged in zip(batch.column("indexed_at").to_pylist(), batch.column("path").to_pylist(), strict=True)
    ]
