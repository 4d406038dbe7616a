"""Vectors of photos that were deleted, by their content, for the day they come back from a backup or another disk.

A table like that of the photos, whose key is the content's digest. It holds so many, for so long; the oldest go first,
whenever the table is tidied.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING

from phsearch.adapters.store import arrow_rows
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.adapters.store.table import Table
    from phsearch.domain.types import PhotoInfo, Vectors

log = logging.getLogger("phsearch.store")

_MOST = 50_000
"""About 40 MB on disk with 384 dimensions."""
_SECONDS = 180 * 86_400


class DeletedVectors:
    """The table of one model. `holds` may be asked by any thread, the rest by the store's."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._held: dict[bytes, float] = {}
        """Content -> when it was deleted, oldest first."""

    def has_digest(self, digest: bytes) -> bool:
        """Tell whether a content is remembered."""
        return digest in self._held

    def load_digests(self) -> None:
        """Learn what there is, and let go of what is old. Raises StoreError."""
        table = self._table.read()
        if table is None:
            return
        aged = sorted(zip(table.column("indexed_at").to_pylist(), table.column("path").to_pylist(), strict=True))
        self._held = {bytes.fromhex(key): at for at, key in aged}
        try:
            self._forget()
        except StoreError as error:
            # On a disk that cannot be written now: searching goes on, and the next tidying makes up for it.
            log.warning("%s", error.sentence())

    def keep_rows(self, photos: Table, keys: Sequence[str]) -> None:
        """Take over the rows that `photos` has under these keys, those of a content once. Raises StoreError."""
        for table in photos.select(keys):
            found, vectors = arrow_rows.photos_from_arrow(table)
            chosen = {photo.digest: row for row, photo in enumerate(found) if photo.digest not in self._held}
            if not chosen:
                continue
            now = time.time()
            kept = [
                dataclasses.replace(found[row], path=digest.hex(), root="", indexed_at=now)
                for digest, row in chosen.items()
            ]
            self._table.create(photos.schema)
            with self._table.writing():
                self._table.merge(arrow_rows.photos_to_arrow(kept, vectors[list(chosen.values())], self._table.schema))
            self._held.update(dict.fromkeys(chosen, now))

    def find_digest(self, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        """Give what is remembered of a content, with its vector, [dim]. Raises StoreError."""
        if digest not in self._held:
            return None
        for table in self._table.select([digest.hex()]):
            photos, vectors = arrow_rows.photos_from_arrow(table)
            if photos:
                return photos[0].info, vectors[0]
        return None

    def optimize(self) -> float | None:
        """Let go of what is old or too much, and compact the rest, as `Table.tidy` does. Raises StoreError."""
        self._forget()
        return self._table.optimize()

    def _forget(self) -> None:
        oldest = time.time() - _SECONDS
        kept = list(self._held)[-_MOST:] if _MOST else []
        kept = [digest for digest in kept if self._held[digest] >= oldest]
        if len(kept) == len(self._held):
            return
        gone = self._held.keys() - kept
        with self._table.writing():
            self._table.delete([digest.hex() for digest in gone])
        # In place of the old: other threads may be asking.
        self._held = {digest: self._held[digest] for digest in kept}
