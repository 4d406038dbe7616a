"""The two tables of one model: the photos with their vectors, and the vectors of deleted photos.

A model that is only being prepared has tables of its own beside those in use. See `lance` for how they are written.
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
from phsearch.adapters.store.model_tables import choose_names, find_tables
from phsearch.adapters.store.table import Table
from phsearch.domain.search.vector_index import keep_rows
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from phsearch.domain.types import FolderRename, ModelIdentity, Photo, PhotoInfo, RefusedRow, Vectors

log = logging.getLogger("phsearch.store")

_INDEXED_ROWS = 5_000
"""With fewer rows a merge is faster without an index."""
_RENAMED_AT_ONCE = 4_096
"""In one version, so that few megabytes of vectors are in memory."""


class PhotoTables:
    """The tables of one model; see `LanceStore` for `expected`. They have to be checked, and then opened."""

    def __init__(self, *, folder: Path, name: str, pretrained: str = "", expected: ModelIdentity | None = None) -> None:
        self._folder = folder
        self._model = (name, pretrained)
        self._expected = expected
        self._keys: set[str] = set()
        self._photos = Table(folder=folder, kind="photos")
        self._deleted = Table(folder=folder, kind="photos", loss="photos that come back are embedded again")
        self._wanted = {"photos": "", "retired": ""}
        self.deleted_vectors = DeletedVectors(self._deleted)
        self.writes = 0
        """How many were made since the last `optimize`."""

    @property
    def tables(self) -> tuple[Table, Table]:
        """Both tables."""
        return self._photos, self._deleted

    def check(self, identity: ModelIdentity | None = None) -> None:
        """Find the tables, and check that no newer phsearch wrote them. Nothing on the disk changes.

        `identity` is that of the model, where it is known only now. Raises StoreError.
        """
        names = choose_names(self._folder, *self._model, identity or self._expected)
        self._wanted = {kind: wanted for kind, (_, wanted) in names.items()}
        self._photos.use_name(names["photos"][0])
        self._deleted.use_name(names["retired"][0])
        for table in self.tables:
            table.refuse_newer()

    def open(self) -> None:
        """Open them; those of an older phsearch get the name that they should have. Raises StoreError."""
        # Each is found by its identity, so it does not matter if we are killed in between.
        for table, wanted in ((self._photos, self._wanted["photos"]), (self._deleted, self._wanted["retired"])):
            if table.name != wanted:
                table.rename(wanted)
        for table in self.tables:
            table.open()
        self.deleted_vectors.load_digests()

    def load(self) -> tuple[list[Photo], Vectors]:
        """Return all photos and their vectors, as `Store.load` does."""
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
            self.check(identity)
            self.open()
            self._log_former(identity)
            self._photos.create(arrow_rows.photos_schema(identity))
        stored = arrow_rows.identity_of(self._photos.schema)
        if stored != identity:
            raise other_model(self._photos.name, stored, identity)

    def find_content(self, path: str, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        """Return what there is of a photo, as `Store.find_content` does."""
        for table in self._photos.select([arrow_rows.to_key(path)]):
            for photo, vector in zip(*arrow_rows.photos_from_arrow(table), strict=True):
                if photo.digest == digest:
                    return photo.info, vector
        return None

    def apply(
        self,
        photos: Sequence[tuple[Photo, Vectors]] = (),
        *,
        deletes: Collection[str] = (),
        is_present: Callable[[bytes], bool] = lambda _digest: False,
    ) -> list[RefusedRow]:
        """Write photos, and delete paths, as `Store.apply` does. Raises StoreError."""
        self._keep_vectors(deletes, is_present)
        refused = self._write(photos, deletes)
        self._drop_vectors(photo.digest for photo, _ in photos)
        return refused

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
            self.writes += 1

    def rows(self) -> Iterator[tuple[list[Photo], Vectors]]:
        """Yield what is on disk now, as `Store.rows` does."""
        for batch in self._photos.batches():
            yield arrow_rows.photos_from_arrow(batch)

    def optimize(self) -> list[float | None]:
        """Optimize both tables, and return what `Table.optimize` says of each. Raises StoreError."""
        left = [self._photos.optimize(indexed=len(self._keys) >= _INDEXED_ROWS), self.deleted_vectors.optimize()]
        self.writes = 0
        return left

    def close(self) -> None:
        """Close the files."""
        for table in self.tables:
            table.close()

    def _write(self, upserts: Sequence[tuple[Photo, Vectors]], deletes: Collection[str]) -> list[RefusedRow]:
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
        self.writes += 1
        return refused + others

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

    def _log_former(self, identity: ModelIdentity) -> None:
        former = [f"{table.name}.lance" for table in find_tables(self._folder) if table.is_former(identity)]
        if former:
            log.info(
                'the vectors of "%s" have changed: every photo is embedded anew once, and %s stays as it is',
                identity.name,
                ", ".join(former),
            )

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
