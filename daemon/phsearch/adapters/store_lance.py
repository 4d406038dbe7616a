"""The durable index in LanceDB: one folder, one table of photos for each model, one table of failures.

What the measurements behind this file say: there must be exactly one writer (two make duplicates without an error);
every write is a fragment and a version, so that writes are few and large and old versions are dropped within minutes;
merging costs more than adding, so rows known to be new are added; and caches must be bounded, or memory grows with
every merge.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import lancedb
import numpy as np
from lancedb.index import BTree

from phsearch.adapters import store_rows as rows
from phsearch.errors import ModelMismatchError, StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from phsearch.domain.types import Failure, ModelIdentity, Photo, Vectors

_CACHE_BYTES = 32 << 20
_KEPT_VERSIONS = timedelta(minutes=10)
_WRITES_BEFORE_TIDY = 200
_INDEXED_ROWS = 5_000
_DELETE_CHUNK = 500
_FAILURES_TABLE = "errors"


class LanceStore:
    """The `Store` of a state directory, for one model, e.g. "mini" or "ViT-B-32/openai"."""

    def __init__(self, folder: Path, model: str) -> None:
        self._folder = folder
        self._name = "photos_" + re.sub(r"[^A-Za-z0-9]+", "_", model).strip("_").lower()
        self._keys: set[str] = set()
        self._failed: set[str] = set()
        self._writes = 0
        with _readable(folder, "open"):
            session = lancedb.Session(_CACHE_BYTES, _CACHE_BYTES)
            self._db = lancedb.connect(folder, session=session)
            self._names = set(self._db.list_tables().tables)
        self._photos = self._open(self._name)
        self._failures = self._open(_FAILURES_TABLE)

    def load(self) -> tuple[list[Photo], Vectors]:
        """Give all photos and their vectors, [n, dim] in the same order; dim is 0 while there is no table."""
        if self._photos is None:
            return [], np.empty((0, 0), np.float32)
        with _readable(self._folder, "read"):
            photos, vectors = rows.photos_from_arrow(self._photos.to_arrow())
        self._keys = {rows.to_key(photo.path) for photo in photos}
        if len(self._keys) < len(photos):
            photos, vectors = self._without_duplicates(photos, vectors)
        return photos, vectors

    def bind(self, identity: ModelIdentity) -> None:
        """Create the table for this model or check that it is its own. Raises ModelMismatchError."""
        if self._photos is None:
            with _writable(self._folder):
                self._photos = self._db.create_table(self._name, schema=rows.photos_schema(identity), exist_ok=True)
            return
        made_with = rows.identity_of(self._photos.schema)
        if made_with != identity:
            raise ModelMismatchError(
                f'the index was made with other weights of "{identity.name}" than are loaded now',
                "put the former weights back, or start once with `phsearchd --rebuild` to embed every photo anew",
            )

    def apply(self, upserts: Iterable[tuple[Photo, Vectors]], deletes: Collection[str]) -> None:
        """Write one batch: rows by path, then deletions. Raises StoreError; then nothing may be assumed written."""
        new: list[tuple[Photo, Vectors]] = []
        known: list[tuple[Photo, Vectors]] = []
        for photo, vector in upserts:
            (known if rows.to_key(photo.path) in self._keys else new).append((photo, vector))
        with _writable(self._folder):
            if new:
                # If this fails half-way nobody can say whether the rows are there: from now on they are merged.
                self._keys.update(rows.to_key(photo.path) for photo, _ in new)
                self._table().add(self._rows(new))
            if known:
                merge = self._table().merge_insert("path").when_matched_update_all().when_not_matched_insert_all()
                merge.execute(self._rows(known))
            gone = [key for key in map(rows.to_key, deletes) if key in self._keys]
            _delete(self._photos, gone)
        self._keys.difference_update(gone)
        self._writes += bool(new or known or gone)

    def load_failures(self) -> list[Failure]:
        """Give the photos that could not be read."""
        if self._failures is None:
            return []
        with _readable(self._folder, "read"):
            failures = rows.failures_from_arrow(self._failures.to_arrow())
        self._failed = {rows.to_key(failure.path) for failure in failures}
        return list({failure.path: failure for failure in failures}.values())

    def apply_failures(self, upserts: Iterable[Failure], deletes: Collection[str]) -> None:
        """Write failures by path, then deletions. Raises StoreError."""
        table = rows.failures_to_arrow(list(upserts))
        gone = [key for key in map(rows.to_key, deletes) if key in self._failed]
        with _writable(self._folder):
            if self._failures is None and table.num_rows:
                self._failures = self._db.create_table(_FAILURES_TABLE, schema=rows.FAILURES, exist_ok=True)
            if table.num_rows:
                self._failed.update(table.column("path").to_pylist())
                merge = self._failures.merge_insert("path").when_matched_update_all().when_not_matched_insert_all()
                merge.execute(table)
            _delete(self._failures, gone)
        self._failed.difference_update(gone)
        self._writes += bool(table.num_rows or gone)

    def rows(self) -> Iterator[tuple[list[Photo], Vectors]]:
        """Read what is on disk now, some thousand at a time, with vectors [n, dim]. Raises StoreError."""
        if self._photos is None:
            return
        with _readable(self._folder, "read"):
            # Opened anew: the handle in use would show what it wrote itself, whatever became of it since.
            yield rows.photos_from_arrow(self._db.open_table(self._name).to_arrow())

    def tidy(self) -> None:
        """Compact fragments and drop old versions."""
        with _writable(self._folder):
            for table in (self._photos, self._failures):
                if table is not None:
                    table.optimize(cleanup_older_than=_KEPT_VERSIONS)
            # Below some thousand rows a merge finds its rows faster without an index.
            if self._photos is not None and len(self._keys) >= _INDEXED_ROWS and not self._photos.list_indices():
                self._photos.create_index("path", config=BTree())
        self._writes = 0

    def close(self) -> None:
        """Let go of the files."""
        self._photos = self._failures = None

    @property
    def untidy(self) -> bool:
        """Whether there were enough writes for `tidy` to be worth its time."""
        return self._writes >= _WRITES_BEFORE_TIDY

    def _table(self) -> Any:
        if self._photos is None:
            raise StoreError("the index has no table yet", "this is a bug in phsearch: please report it")
        return self._photos

    def _rows(self, upserts: Sequence[tuple[Photo, Vectors]]) -> pa.Table:
        photos = [photo for photo, _ in upserts]
        vectors = np.stack([vector for _, vector in upserts])
        return rows.photos_to_arrow(photos, vectors, self._table().schema)

    def _open(self, name: str) -> Any:
        if name not in self._names:
            return None
        with _readable(self._folder, "open"):
            table = self._db.open_table(name)
        if rows.version_of(table.schema) > rows.SCHEMA_VERSION:
            raise StoreError(
                f"the index in {self._folder} was written by a newer phsearch",
                "install that version again, or choose another --state-dir",
            )
        return table

    def _without_duplicates(self, photos: list[Photo], vectors: Vectors) -> tuple[list[Photo], Vectors]:
        """Keep the newest row of each path, in memory and on disk: a crash can leave an addition behind twice."""
        newest = {photo.path: row for row, photo in sorted(enumerate(photos), key=lambda item: item[1].indexed_at)}
        doubled = {photo.path for row, photo in enumerate(photos) if newest[photo.path] != row}
        kept = sorted(newest.values())
        mended = [(photos[row], vectors[row]) for row in kept if photos[row].path in doubled]
        with _writable(self._folder):
            _delete(self._photos, [rows.to_key(photo.path) for photo, _ in mended])
            self._table().add(self._rows(mended))
        return [photos[row] for row in kept], vectors[kept]


def discard(folder: Path) -> None:
    """Delete a whole index, so that the next start builds it anew. Nothing else lies in this folder."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _delete(table: Any, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), _DELETE_CHUNK):
        quoted = ", ".join("'" + key.replace("'", "''") + "'" for key in keys[start : start + _DELETE_CHUNK])
        table.delete(f"path IN ({quoted})")


@contextlib.contextmanager
def _readable(folder: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(
            f"cannot {verb} the index in {folder}: {_first_line(error)}",
            "check disk and permissions; if it is damaged, `phsearchd --rebuild` makes it anew from your photos",
        ) from error


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        text = str(error).lower()
        if "no space left" in text or "os error 28" in text or "quota" in text or "os error 122" in text:
            raise StoreError(f"no space left for the index in {folder}", "free some disk space") from error
        raise StoreError(
            f"cannot write the index in {folder}: {_first_line(error)}", "check the disk and the permissions"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
