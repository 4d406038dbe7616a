"""The durable index in LanceDB: in one folder a table of photos for each identity of a model, failures, and volumes.

It follows from measurements of LanceDB. There must be exactly one writer, because two make duplicates without an error.
Every write is a fragment and a version, so writes are few and large, and old versions are dropped within minutes.
Merging costs more than adding, so rows that are known to be new are added. `table` deals with what a crash leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.adapters.store import arrow_rows
from phsearch.adapters.store.model_tables import former_tables, photos_of_models, remove_model
from phsearch.adapters.store.photo_tables import PhotoTables
from phsearch.adapters.store.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from phsearch.adapters.store.deleted_vectors import DeletedVectors
    from phsearch.domain.ports import ModelRows
    from phsearch.domain.types import (
        Failure,
        FolderRename,
        ModelIdentity,
        ModelName,
        Photo,
        PhotoInfo,
        RefusedRow,
        TableStats,
        Vectors,
        Volume,
    )

_WRITES_BEFORE_OPTIMIZE = 200


class LanceStore:
    """The `Store` of a state directory, for one model at a time.

    `expected` is the identity that the model will have when it is loaded, where that is known before. Then no table of
    another identity is used, and a new one begins where there is none. Otherwise it is the table written last with
    this name and these weights.
    """

    def __init__(self, *, folder: Path, name: str, pretrained: str = "", expected: ModelIdentity | None = None) -> None:
        self._folder = folder
        self._failed: set[str] = set()
        self._writes = 0
        self._failures = Table(
            folder=folder, name="errors", kind="errors", loss="photos that failed before are tried once more"
        )
        self._volumes = Table(
            folder=folder, name="volumes", kind="volumes", loss="which disk each root lies on is learned again"
        )
        self._model = PhotoTables(folder=folder, name=name, pretrained=pretrained, expected=expected)
        # All are checked before any is changed: an index of a newer phsearch is left as it is.
        self._model.check()
        for table in (self._failures, self._volumes):
            table.refuse_newer()
        self._model.open()
        for table in (self._failures, self._volumes):
            table.open()

    @property
    def deleted_vectors(self) -> DeletedVectors:
        """The vectors of deleted photos."""
        return self._model.deleted_vectors

    def load(self) -> tuple[list[Photo], Vectors]:
        """Return all photos and their vectors, [n, dim] in the same order; dim is 0 while there is no table."""
        return self._model.load()

    def create_or_check(self, identity: ModelIdentity) -> None:
        """Create the table for this model, or check that it was made for it. Raises ModelMismatchError."""
        self._model.create_or_check(identity)

    def open_model(self, identity: ModelIdentity) -> PhotoTables:
        """Return the tables of another model, made where there are none, beside those in use. Raises StoreError."""
        tables = PhotoTables(folder=self._folder, name=identity.name, pretrained=identity.pretrained, expected=identity)
        tables.check()
        tables.open()
        tables.create_or_check(identity)
        return tables

    def use_model(self, tables: ModelRows) -> None:
        """Read and write these tables, of `open_model`, from now on, and close those that were used until now."""
        assert isinstance(tables, PhotoTables)
        self._model.close()
        self._model = tables

    def find_content(self, path: str, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        """Return what the store has of a photo, with its vector, [dim]; None where it is not this content.

        Raises StoreError.
        """
        return self._model.find_content(path, digest)

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
        refused = self._model.apply(photos, deletes=gone, is_present=is_present)
        return refused + self._apply_failures(failures, [*deletes, *(photo.path for photo, _ in photos)])

    def can_rename(self, rename: FolderRename) -> bool:
        """Whether `rename_folder` can rename this folder: both names are stored as they are."""
        return all(arrow_rows.to_key(path) == path for path in (rename.source, rename.target))

    def rename_folder(self, rename: FolderRename) -> None:
        """Rename a folder, with all photos in it. Raises StoreError; then it has to be done again."""
        self._model.rename_folder(rename)

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
        return self._model.rows()

    def stats(self) -> list[TableStats]:
        """Return what the tables hold and take on disk, then what those of former models take. Raises StoreError."""
        tables = (*self._model.tables, self._failures, self._volumes)
        own = [table.stats() for table in tables if table.exists]
        return own + former_tables(self._folder, {table.folder for table in tables})

    def models(self) -> dict[ModelName, int]:
        """Return the models that have tables with photos here, with the bytes of their tables. Raises StoreError."""
        return photos_of_models(self._folder)

    def remove_model(self, model: ModelName) -> int:
        """Delete the tables of a model that is not in use, and return how many bytes they took. Raises StoreError."""
        return remove_model(self._folder, model, {table.folder for table in self._model.tables})

    def optimize(self) -> float | None:
        """Compact, and drop what is old; return the seconds until more can be dropped, None where all is done."""
        left = [*self._model.optimize(), self._failures.optimize(), self._volumes.optimize()]
        self._writes = 0
        return max((seconds for seconds in left if seconds is not None), default=None)

    def close(self) -> None:
        """Close the files."""
        self._model.close()
        for table in (self._failures, self._volumes):
            table.close()

    @property
    def needs_optimize(self) -> bool:
        """Whether there were enough writes for `optimize` to be worth its time."""
        return self._writes + self._model.writes >= _WRITES_BEFORE_OPTIMIZE

    def _apply_failures(self, upserts: Sequence[Failure], deletes: Sequence[str]) -> list[RefusedRow]:
        table, refused = arrow_rows.failures_to_arrow(upserts)
        gone = [key for key in map(arrow_rows.to_key, deletes) if key in self._failed]
        self._failed.update(table.column("path").to_pylist())
        self._upsert(self._failures, table, gone)
        self._failed.difference_update(gone)
        return refused

    def _upsert(self, table: Table, changed: pa.Table, gone: Sequence[str]) -> None:
        if not changed.num_rows and not gone:
            return
        table.create(changed.schema)
        with table.writing():
            if changed.num_rows:
                table.merge(changed)
            table.delete(gone)
        self._writes += 1
