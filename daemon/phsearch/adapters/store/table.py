"""One table on disk, written and read so that a crash or a power failure costs the newest write at most.

Every write makes a version of the table, and older versions are kept for some minutes. Where the newest cannot be read
completely, the one before it is used. Because of `table_files`, the lost version is never one that was acknowledged,
unless the disk itself lost something. Damage is found by reading, never guessed.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from phsearch.adapters.store import migrations
from phsearch.adapters.store.errors import REBUILD, first_line, is_damage, newer, translate_errors
from phsearch.adapters.store.lazy_namespace import placeholders
from phsearch.adapters.store.table_files import TableFiles, hide_manifest, restore_manifest, size
from phsearch.domain.types import TableStats
from phsearch.errors import StoreError

with placeholders():
    import lancedb
    from lancedb.index import BTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

log = logging.getLogger("phsearch.store")

_CACHE_BYTES = 4 << 20
"""Of each of the two caches of a table: with 100,000 rows a batch takes as long as with 32 MB, in 60 MB less."""
_KEPT_VERSIONS = timedelta(minutes=10)
_ALL_VERSIONS = timedelta(days=36_500)
_DELETE_CHUNK = 500
_SINGLE_STEPS = 16
_BATCH_ROWS = 4_096

_T = TypeVar("_T")


class Table:
    """A table that need not exist yet. `kind` is the name of its schema in `migrations`.

    Without a `name` it needs one before it is created. `loss` says what it costs to lose all of it. A damaged table
    without `loss` raises StoreError instead.
    """

    def __init__(self, *, folder: Path, kind: str, name: str = "", loss: str = "") -> None:
        self._folder = folder
        self._kind = kind
        self._loss = loss
        self._table: Any = None
        self.use_name(name)

    def use_name(self, name: str) -> None:
        """Be the table of this name from now on. It has to be opened, and nothing on the disk is changed."""
        self._name = name
        self._files = TableFiles(self._folder / f"{name}.lance")
        self._table = None

    def rename(self, name: str) -> None:
        """Rename its files, and be that table. Where the disk does not let it, the name stays."""
        try:
            self._files.folder.rename(self._folder / f"{name}.lance")
        except OSError as error:
            log.warning("%s cannot be renamed to %s.lance: %s", self._files.folder, name, error.strerror)
        else:
            self.use_name(name)

    @property
    def name(self) -> str:
        """The name, "" where it has none yet."""
        return self._name

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return self._files.folder

    @property
    def exists(self) -> bool:
        """Whether there is something to read and write."""
        return self._table is not None

    @property
    def schema(self) -> pa.Schema:
        """The columns, with their metadata."""
        return self._table.schema

    def refuse_newer(self) -> None:
        """Raise StoreError when a newer phsearch wrote this table. Nothing on disk is changed."""
        with translate_errors(self._folder, "open"):
            try:
                self._table = self._opened()
            except BaseException as error:
                if not is_damage(error):
                    raise

    def open(self) -> None:
        """Open it, if necessary at an older version, and migrate its rows to the latest columns. Raises StoreError."""
        with translate_errors(self._folder, "open"):
            if self._table is None:
                self._table = self._newest_readable(self._opened)
        if self._table is not None and migrations.version_of(self.schema) < migrations.latest(self._kind):
            self.read()

    def read(self) -> pa.Table | None:
        """Return all rows, None where there is no table. Raises StoreError when no version of it can be read."""
        if self._table is None:
            return None
        with translate_errors(self._folder, "read"):
            rows = self._newest_readable(self._all_rows)
        if rows is None:
            return None
        self._files.remove_orphans()
        if migrations.version_of(rows.schema) < migrations.latest(self._kind):
            rows = migrations.migrate(self._kind, rows)
            with self.writing():
                # One new version: a kill here leaves either the old rows or the new ones.
                self._table = self._connected().create_table(self._name, rows, mode="overwrite")
        return rows

    def collect(self, collect: Callable[[int, Iterator[pa.Table]], _T]) -> _T | None:
        """Return what `collect` makes of the number of rows and of the rows, some thousand at a time.

        It gets one batch at least, and is called again with an older version where a newer one cannot be read. None
        where there is no table. Raises StoreError when no version of it can be read.
        """
        if self._table is None:
            return None
        with translate_errors(self._folder, "read"):
            result = self._newest_readable(partial(self._collect_rows, collect))
        if self._table is not None:
            self._files.remove_orphans()
        return result

    def batches(self) -> Iterator[pa.Table]:
        """Yield the rows as they are on disk now, some thousand at a time, without what is in memory."""
        with translate_errors(self._folder, "read"):
            table = self._opened()
            batches = _batches(table, table.count_rows()) if table is not None else iter(())
        while True:
            with translate_errors(self._folder, "read"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def create(self, schema: pa.Schema) -> None:
        """Create the table where there is none. Raises StoreError."""
        if self._table is None:
            with self.writing():
                self._table = self._connected().create_table(self._name, schema=schema, exist_ok=True)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Surround the writes of one batch, which are on the disk at the end. Raises StoreError."""
        with translate_errors(self._folder, "write"):
            yield
            self._files.fsync()

    def add(self, rows: pa.Table) -> None:
        """Append rows that are known to be new."""
        self._table.add(rows)

    def merge(self, rows: pa.Table) -> None:
        """Insert rows, or replace those of the same path."""
        merge = self._table.merge_insert("path").when_matched_update_all().when_not_matched_insert_all()
        self._retry_without_index(partial(merge.execute, rows))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove the rows of these paths."""
        for start in range(0, len(keys), _DELETE_CHUNK):
            where = _among(keys[start : start + _DELETE_CHUNK])
            self._retry_without_index(partial(self._table.delete, where))

    def replace_prefix(self, before: str, after: str, root: str, first: str, last: str) -> None:
        """Let the paths from `first` to `last` begin with `after` instead of `before`, in one version."""
        where = f"starts_with(path, {_quoted(before)}) AND path >= {_quoted(first)} AND path <= {_quoted(last)}"
        values = {
            "path": f"concat({_quoted(after)}, substr(path, {len(before) + 1}))",
            "root": _quoted(root),
        }
        self._retry_without_index(lambda: self._table.update(where=where, values_sql=values))

    def select(self, keys: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows of these paths, some hundred at a time. Raises StoreError."""
        for start in range(0, len(keys), _DELETE_CHUNK):
            with translate_errors(self._folder, "read"):
                rows = self._retry_without_index(partial(self._among, keys[start : start + _DELETE_CHUNK]))
            yield rows

    def delete_rows(self, where: Callable[[pa.Table], Sequence[int]]) -> None:
        """Remove the rows whose indices among all rows `where` returns, in one version."""
        rows = self._table.search().with_row_id(True).to_arrow()
        numbers = rows.column("_rowid").to_pylist()
        chosen = ", ".join(str(numbers[row]) for row in where(rows))
        self._table.delete(f"_rowid IN ({chosen})")

    def optimize(self, *, indexed: bool = False) -> float | None:
        """Join fragments, drop old versions and orphans, and if `indexed` make an index of paths. Raises StoreError.

        Return the seconds until versions that are too young now can be dropped, None where there are none. The joined
        fragments are on the disk before what they replace is removed. Orphans of failed writes are removed at any age,
        because nothing else writes.
        """
        if self._table is None:
            return None
        with self.writing():
            self._files.remove_truncated()
            self._retry_without_index(partial(self._table.optimize, cleanup_older_than=_ALL_VERSIONS))
            self._files.fsync()
            self._table.optimize(cleanup_older_than=_KEPT_VERSIONS, delete_unverified=True)
            if indexed and not self._table.list_indices():
                self._table.create_index("path", config=BTree())
            self._files.remove_orphans()
            # Opened again, because its caches hold files of versions that are gone.
            self._table = self._opened()
        return _KEPT_VERSIONS.total_seconds() if len(self._files.manifests()) > 1 else None

    def stats(self) -> TableStats:
        """Return what it holds and takes on disk. Raises StoreError."""
        with translate_errors(self._folder, "read"):
            fragments = self._table.stats()["fragment_stats"]["num_fragments"]
            return TableStats(
                self._name,
                size(self._files.folder),
                migrations.version_of(self.schema),
                self._table.count_rows(),
                fragments,
                len(self._files.manifests()),
            )

    def close(self) -> None:
        """Close the files."""
        self._table = None

    def _among(self, keys: Sequence[str]) -> pa.Table:
        return self._table.search().where(_among(keys)).to_arrow()

    def _connected(self) -> Any:
        # The caches are limited, or memory would grow with every merge. A new session has empty caches.
        return lancedb.connect(self._folder, session=lancedb.Session(_CACHE_BYTES, _CACHE_BYTES))

    def _opened(self) -> Any:
        """Return the newest version, opened; None where nothing was ever stored."""
        if not self._files.manifests() and not self._files.holds_rows():
            return None
        table = self._connected().open_table(self._name)
        if migrations.version_of(table.schema) > migrations.latest(self._kind):
            raise newer(self._folder)
        return table

    def _all_rows(self) -> pa.Table | None:
        self._table = self._opened()
        return None if self._table is None else self._table.to_arrow()

    def _collect_rows(self, collect: Callable[[int, Iterator[pa.Table]], _T]) -> _T | None:
        self._table = self._opened()
        if self._table is None:
            return None
        count = self._table.count_rows()
        return collect(count, _batches(self._table, count))

    def _newest_readable(self, attempt: Callable[[], _T]) -> _T | None:
        """Return what `attempt` returns for the newest version for which it does not fail."""
        try:
            return attempt()
        except BaseException as error:
            if not is_damage(error):
                raise
            # Without its frames, which hold the rows that were read before the damage.
            damage = error.with_traceback(None)
        manifests = self._files.manifests()
        hidden: list[Path] = []
        try:
            for newest in _steps_back(manifests[:-1]):
                for manifest in newest:
                    hidden.append(hide_manifest(manifest))  # noqa: PERF401 - all that are hidden must be known when one fails
                try:
                    result = attempt()
                except BaseException as error:
                    if not is_damage(error):
                        raise
                    continue
                hidden.clear()
                log.warning(
                    "the newest writes to the index in %s were damaged (%s): what they held will be found again",
                    self._files.folder,
                    first_line(damage),
                )
                return result
        finally:
            for manifest in reversed(hidden):
                restore_manifest(manifest)
        if len(manifests) <= 1 and not self._files.holds_rows():
            # Its creation was interrupted: nothing was ever in it.
            self._files.discard()
            return None
        if not self._loss:
            raise StoreError(
                f"the index in {self._folder} is damaged and no older state of it can be read: {first_line(damage)}",
                REBUILD,
            ) from damage
        log.warning("%s was damaged (%s) and begins anew: %s", self._files.folder, first_line(damage), self._loss)
        self._files.discard()
        self._table = None
        return None

    def _retry_without_index(self, work: Callable[[], _T]) -> _T:
        """Do `work`. Where the look-up index is damaged, drop it and try again; the next `optimize` makes a new one."""
        try:
            return work()
        except BaseException as error:
            indices = self._table.list_indices() if is_damage(error) else []
            if not indices:
                raise
            log.warning("the look-up index in %s was damaged and is made anew", self._files.folder)
            for index in indices:
                self._table.drop_index(index.name)
            return work()


def _batches(table: Any, count: int) -> Iterator[pa.Table]:
    """Yield the `count` rows of an open table, one batch at least. Raises ValueError where some are missing.

    Each batch is a query of its own: one that yields batches reads the whole table ahead.
    """
    missing = count
    for start in range(0, max(count, 1), _BATCH_ROWS):
        batch = table.search().offset(start).limit(_BATCH_ROWS).to_arrow()
        missing -= batch.num_rows
        yield batch
    if missing:
        raise ValueError(f"{missing} of {count} rows are missing")


def _steps_back(manifests: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Yield the manifests to hide before each further attempt: one by one at first, then more and more.

    Hundreds of versions may share the damaged file, and each attempt reads all rows. A batch makes only a few.
    """
    start, size = 0, 1
    while start < len(manifests):
        yield manifests[start : start + size]
        start += size
        if start >= _SINGLE_STEPS:
            size *= 2


def _among(keys: Sequence[str]) -> str:
    return f"path IN ({', '.join(map(_quoted, keys))})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
