"""The durable index in LanceDB: in one folder a table of photos for each identity of a model, failures, and volumes.

It follows from measurements of LanceDB. There must be exactly one writer, because two make duplicates without an error.
Every write is a fragment and a version, so writes are few and large, and old versions are dropped within minutes.
Merging costs more than adding, so rows that are known to be new are added. `table` deals with what a crash leaves.
"""

from __future__ import annotations

import dataclasses
import heapq
import logging
from typing import TYPE_CHECKING

import numpy as np

from phsearch.adapters.store import arrow_rows
from phsearch.adapters.store.deleted_vectors import DeletedVectors
from phsearch.adapters.store.errors import other_model, unexpected_model
from phsearch.adapters.store.model_tables import choose_names, find_tables, former_tables
from phsearch.adapters.store.table import Table
from phsearch.domain.search.vector_index import keep_rows
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from phsearch.domain.types import (
        Failure,
        FolderRename,
        ModelIdentity,
        Photo,
        PhotoInfo,
        RefusedRow,
        TableStats,
        Vectors,
        Volume,
    )

log = logging.getLogger("phsearch.store")

_WRITES_BEFORE_OPTIMIZE = 200
_INDEXED_ROWS = 5_000
"""With fewer rows a merge is faster without an index."""
_RENAMED_AT_ONCE = 4_096
"""In one version, so that few megabytes of vectors are in memory."""


class LanceStore:
    """The `Store` of a state directory, for one model.

    `expected` is the identity that the model will have when it is loaded, where that is known before. Then no table of
    another identity is used, and a new one begins where there is none. Otherwise it is the table written last with
    this name and these weights.
    """

    def __init__(self, *, folder: Path, name: str, pretrained: str = "", expected: ModelIdentity | None = None) -> None:
        self._folder = folder
        self._model = (name, pretrained)
        self._expected = expected
        self._keys: set[str] = set()
        self._failed: set[str] = set()
        self._writes = 0
        self._photos = Table(folder=folder, kind="photos")
        self._failures = Table(
            folder=folder, name="errors", kind="errors", loss="photos that failed before are tried once more"
        )
        self._volumes = Table(
            folder=folder, name="volumes", kind="volumes", loss="which disk each root lies on is learned again"
        )
        self._deleted = Table(folder=folder, kind="photos", loss="photos that come back are embedded again")
        self.deleted_vectors = DeletedVectors(self._deleted)
        self._tables = (self._photos, self._failures, self._volumes, self._deleted)
        self._open(self._tables, expected)

    def load(self) -> tuple[list[Photo], Vectors]:
        """Return all photos and their vectors, [n, dim] in the same order; dim is 0 while there is no table."""
        loaded = self._photos.collect(arrow_rows.collect_photos)
        if loaded is None:
            return [], np.empty((0, 0), np.float32)
        photos, vectors = loaded
        self._keys = {arrow_rows.to_key(photo.path) for photo in photos}
        if len(self._keys) < len(photos):
            self._delete_stale()
            kept = np.delete(np.arange(len(photos)), arrow_rows.stale(photos))
            keep_rows(vectors, kept)
            return [photos[row] for row in kept], vectors
        return photos, vectors

    def create_or_check(self, identity: ModelIdentity) -> None:
        """Create the table for this model, or check that it was made for it. Raises ModelMismatchError."""
        name, pretrained = self._model
        if identity != (self._expected or dataclasses.replace(identity, name=name, pretrained=pretrained)):
            raise unexpected_model(name)
        if not self._photos.exists:
            self._open((self._photos, self._deleted), identity)
            self._log_former(identity)
            self._photos.create(arrow_rows.photos_schema(identity))
        stored = arrow_rows.identity_of(self._photos.schema)
        if stored != identity:
            raise other_model(self._photos.name, stored, identity)

    def _open(self, tables: Sequence[Table], expected: ModelIdentity | None) -> None:
        """Open these tables; those of an older phsearch get the name that they should have. Raises StoreError."""
        names = choose_names(self._folder, *self._model, expected)
        of_model = ((self._photos, *names["photos"]), (self._deleted, *names["retired"]))
        for table, present, _ in of_model:
            table.use_name(present)
        # All are checked before any is changed: an index of a newer phsearch is left as it is.
        for table in tables:
            table.refuse_newer()
        # Each is found by its identity, so it does not matter if we are killed in between.
        for table, present, wanted in of_model:
            if present != wanted:
                table.rename(wanted)
        for table in tables:
            table.open()
        self.deleted_vectors.load_digests()

    def find_content(self, path: str, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        """Return what the store has of a photo, with its vector, [dim]; None where it is not this content.

        Raises StoreError.
        """
        for table in self._photos.select([arrow_rows.to_key(path)]):
            for photo, vector in zip(*arrow_rows.photos_from_arrow(table), strict=True):
                if photo.digest == digest:
                    return photo.info, vector
        return None

    def apply(
        self,
        photos: Iterable[tuple[Photo, Vectors]] = (),
        *,
        failures: Iterable[Failure] = (),
        deletes: Collection[str] = (),
        is_present: Callable[[bytes], bool] = lambda _digest: False,
    ) -> list[RefusedRow]:
        """Write one batch. A path is a photo, a failure or neither: what it was before is deleted.

        The vector of what is deleted is kept, unless `is_present` says that a photo has its content.

        Return the rows that cannot be written. They are left as they were, and stop no other.

        Raises StoreError; then any part of the batch may be written, and all of it has to be applied again.
        """
        photos, failures = list(photos), list(failures)
        gone = [*deletes, *(failure.path for failure in failures)]
        self._keep_vectors(gone, is_present)
        refused = self._apply_photos(photos, gone)
        self._drop_vectors(photo.digest for photo, _ in photos)
        return refused + self._apply_failures(failures, [*deletes, *(photo.path for photo, _ in photos)])

    def can_rename(self, rename: FolderRename) -> bool:
        """Whether `rename_folder` can rename this folder: both names are stored as they are."""
        return all(arrow_rows.to_key(path) == path for path in (rename.source, rename.target))

    def rename_folder(self, rename: FolderRename) -> None:
        """Rename a folder, with all photos in it. Raises StoreError; then it has to be done again."""
        for before, after in arrow_rows.key_prefixes(rename):
            inside = _sort_in_parts([key for key in self._keys if key.startswith(before)])
            if not inside:
                continue
            replaced = [name for key in inside if (name := after + key[len(before) :]) in self._keys]
            with self._photos.writing():
                self._photos.delete(replaced)
                for start in range(0, len(inside), _RENAMED_AT_ONCE):
                    some = inside[start : start + _RENAMED_AT_ONCE]
                    self._photos.replace_prefix(before, after, rename.root, some[0], some[-1])
            for key in inside:
                self._keys.remove(key)
            for key in inside:
                self._keys.add(after + key[len(before) :])
            self._writes += 1

    def _apply_photos(self, upserts: Sequence[tuple[Photo, Vectors]], deletes: Sequence[str]) -> list[RefusedRow]:
        new: list[tuple[Photo, Vectors]] = []
        known: list[tuple[Photo, Vectors]] = []
        for photo, vector in upserts:
            (known if arrow_rows.to_key(photo.path) in self._keys else new).append((photo, vector))
        gone = [key for key in map(arrow_rows.to_key, deletes) if key in self._keys]
        if not new and not known and not gone:
            return []
        if not self._photos.exists:
            raise StoreError("the index has no table yet", "this is a bug in phsearch: please report it")
        # Before anything is written, or counts as known: a value may not fit.
        added, refused = arrow_rows.photos_to_arrow(new, self._photos.schema)
        merged, others = arrow_rows.photos_to_arrow(known, self._photos.schema)
        with self._photos.writing():
            if added.num_rows:
                # If this fails, the rows may be there or not. So they are merged from now on.
                self._keys.update(added.column("path").to_pylist())
                self._photos.add(added)
            if merged.num_rows:
                self._photos.merge(merged)
            self._photos.delete(gone)
        self._keys.difference_update(gone)
        self._writes += 1
        return refused + others

    def _apply_failures(self, upserts: Sequence[Failure], deletes: Sequence[str]) -> list[RefusedRow]:
        table, refused = arrow_rows.failures_to_arrow(upserts)
        gone = [key for key in map(arrow_rows.to_key, deletes) if key in self._failed]
        self._failed.update(table.column("path").to_pylist())
        self._upsert(self._failures, table, gone)
        self._failed.difference_update(gone)
        return refused

    def _keep_vectors(self, paths: Iterable[str], is_present: Callable[[bytes], bool]) -> None:
        keys = [key for key in map(arrow_rows.to_key, paths) if key in self._keys]
        if not keys:
            return
        try:
            self.deleted_vectors.keep_rows(self._photos, keys, is_present)
        except StoreError as error:
            # They would only save work later. The deletion itself must go on.
            log.warning("vectors of deleted photos are not kept: %s", error)

    def _drop_vectors(self, digests: Iterable[bytes]) -> None:
        try:
            self.deleted_vectors.drop_digests(digests)
        except StoreError as error:
            log.warning("vectors of photos that came back are kept twice: %s", error)

    def load_failures(self) -> list[Failure]:
        """Return the photos that could not be read."""
        table = self._failures.read()
        failures = [] if table is None else arrow_rows.failures_from_arrow(table)
        self._failed = {arrow_rows.to_key(failure.path) for failure in failures}
        return list({failure.path: failure for failure in failures}.values())

    def load_volumes(self) -> list[Volume]:
        """Return what is remembered of the file systems of the roots."""
        table = self._volumes.read()
        return [] if table is None else arrow_rows.volumes_from_arrow(table)

    def apply_volumes(self, upserts: Iterable[Volume], deletes: Collection[str]) -> None:
        """Write volumes by path, then deletions. Raises StoreError."""
        self._upsert(
            self._volumes, arrow_rows.volumes_to_arrow(list(upserts)), [arrow_rows.to_key(path) for path in deletes]
        )

    def rows(self) -> Iterator[tuple[list[Photo], Vectors]]:
        """Yield what is on disk now, some thousand at a time, with vectors [n, dim]. Raises StoreError."""
        for batch in self._photos.batches():
            yield arrow_rows.photos_from_arrow(batch)

    def stats(self) -> list[TableStats]:
        """Return what the tables hold and take on disk, then what those of former models take. Raises StoreError."""
        return [table.stats() for table in self._tables if table.exists] + self._former_tables()

    def optimize(self) -> float | None:
        """Compact, and drop what is old; return the seconds until more can be dropped, None where all is done."""
        left = [
            self._photos.optimize(indexed=len(self._keys) >= _INDEXED_ROWS),
            self.deleted_vectors.optimize(),
            self._failures.optimize(),
            self._volumes.optimize(),
        ]
        self._writes = 0
        return max((seconds for seconds in left if seconds is not None), default=None)

    def other_model_tables(self) -> dict[str, int]:
        """Return the tables of models that were used before, with their bytes; nothing removes them."""
        return {each.name: each.bytes for each in self._former_tables()}

    def close(self) -> None:
        """Close the files."""
        for table in self._tables:
            table.close()

    @property
    def needs_optimize(self) -> bool:
        """Whether there were enough writes for `optimize` to be worth its time."""
        return self._writes >= _WRITES_BEFORE_OPTIMIZE

    def _log_former(self, identity: ModelIdentity) -> None:
        former = [f"{table.name}.lance" for table in find_tables(self._folder) if table.is_former(identity)]
        if former:
            log.info(
                'the vectors of "%s" have changed: every photo is embedded anew once, and %s stays as it is',
                identity.name,
                ", ".join(former),
            )

    def _former_tables(self) -> list[TableStats]:
        return former_tables(self._folder, {table.folder for table in self._tables})

    def _upsert(self, table: Table, changed: pa.Table, gone: Sequence[str]) -> None:
        if not changed.num_rows and not gone:
            return
        table.create(changed.schema)
        with table.writing():
            if changed.num_rows:
                table.merge(changed)
            table.delete(gone)
        self._writes += 1

    def _delete_stale(self) -> None:
        """Keep only the newest row of each path on disk: a row whose addition failed may be there twice."""
        try:
            with self._photos.writing():
                self._photos.delete_rows(lambda table: arrow_rows.stale(arrow_rows.photos_from_arrow(table)[0]))
        except StoreError as error:
            log.warning("rows that are there twice stay for now: %s", error.sentence())


def _sort_in_parts(keys: list[str]) -> list[str]:
    """Return the keys sorted. Sorting all of them in one call would keep every other thread waiting for its end."""
    parts = (sorted(keys[start : start + _RENAMED_AT_ONCE]) for start in range(0, len(keys), _RENAMED_AT_ONCE))
    return list(heapq.merge(*parts))
