"""The columns of the index, and conversions between them and the domain's values: Arrow only, no I/O.

Arrow strings are UTF-8, and Linux file names need not be. A name that is not is stored as a `file://` URL with its odd
bytes percent-encoded. A plain path starts with "/", so the two cannot be confused.
"""

from __future__ import annotations

import json
import os
import urllib.parse
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from phsearch.adapters.store import migrations
from phsearch.domain.types import Failure, Fingerprint, ModelIdentity, Photo, PhotoInfo, RefusedRow, Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from phsearch.domain.types import FolderRename, Vectors

    _Columns = dict[str, list[Any]]

_IDENTITY = b"phsearch.model"
_UNFIT = (pa.ArrowException, ArithmeticError, TypeError, ValueError)
_SHOWN = 60
"""Characters of a value that a message shows."""

_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("path", pa.string()),
    ("root", pa.string()),
    ("size", pa.int64()),
    ("mtime_ns", pa.int64()),
    ("digest", pa.binary(16)),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("format", pa.string()),
    ("taken_at", pa.string()),
    ("camera", pa.string()),
    ("lens", pa.string()),
    ("lat", pa.float64()),
    ("lon", pa.float64()),
    ("indexed_at", pa.float64()),
    ("ctime_ns", pa.int64()),
    ("date_source", pa.string()),
    ("sequence", pa.int64()),
)

_SHARED = ("root", "width", "height", "format", "camera", "lens", "date_source")
"""The columns of which many photos have the same value."""

_FILE_COLUMNS = ("path", "root", "size", "mtime_ns", "ctime_ns", "digest", "indexed_at", "sequence")

FAILURES = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("reason", pa.string()),
        ("decoder", pa.string()),
        ("attempts", pa.int32()),
        ("failed_at", pa.float64()),
        ("digest", pa.binary(16)),
        ("ctime_ns", pa.int64()),
    ],
    metadata=migrations.stamp("errors"),
)

VOLUMES = pa.schema(
    [
        ("path", pa.string()),
        ("root", pa.string()),
        ("identity", pa.string()),  # JSON, which keeps names that are not UTF-8
        ("seen_at", pa.float64()),
    ],
    metadata=migrations.stamp("volumes"),
)


def to_key(path: str) -> str:
    """Return the text by which `path` is stored."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "file://" + urllib.parse.quote(os.fsencode(path))
    return path


def from_key(key: str) -> str:
    """Return the path stored as `key`."""
    if key.startswith("file://"):
        return os.fsdecode(urllib.parse.unquote_to_bytes(key.removeprefix("file://")))
    return key


def key_prefixes(rename: FolderRename) -> list[tuple[str, str]]:
    """Return what the keys of the photos in a folder begin with, before and after it is renamed."""
    before, after = f"{rename.source}/", f"{rename.target}/"
    # A file's own name may need to be quoted, although that of the folder does not.
    quoted = (f"file://{urllib.parse.quote(os.fsencode(path))}" for path in (before, after))
    return [(before, after), (next(quoted), next(quoted))]


def photos_schema(identity: ModelIdentity) -> pa.Schema:
    """Return the schema of the photos table of one model; the table keeps the model's identity."""
    fields = [pa.field(name, kind) for name, kind in _COLUMNS]
    fields.append(pa.field("vector", pa.list_(pa.float16(), identity.dim)))
    record = {name: getattr(identity, name) for name in identity.__slots__}
    return pa.schema(fields, metadata={_IDENTITY: json.dumps(record).encode(), **migrations.stamp("photos")})


def identity_of(schema: pa.Schema) -> ModelIdentity | None:
    """Return the identity of the model that a table was made for; None where the table is not ours."""
    return _parsed_identity((schema.metadata or {}).get(_IDENTITY, b"").decode("ascii", "replace"))


def identity_in_manifest(manifest: bytes) -> ModelIdentity | None:
    """Return what `identity_of` would return for the table version of this file, which may be cut short.

    LanceDB writes the schema's metadata as they are, one after the other.
    """
    start = manifest.find(b'{"name"', manifest.find(_IDENTITY))
    return _parsed_identity(manifest[start:].decode("latin-1"))


def _parsed_identity(text: str) -> ModelIdentity | None:
    """Return the identity at the beginning of `text`."""
    try:
        return ModelIdentity(**json.JSONDecoder().raw_decode(text)[0])
    except (TypeError, ValueError):
        return None


def photos_to_arrow(upserts: Sequence[tuple[Photo, Vectors]], schema: pa.Schema) -> tuple[pa.Table, list[RefusedRow]]:
    """Return rows for photos with their vectors, [dim], and those that do not fit."""
    return _to_arrow(upserts, schema, _photo_columns)


def _photo_columns(upserts: Sequence[tuple[Photo, Vectors]]) -> _Columns:
    photos = [photo for photo, _ in upserts]
    columns: _Columns = {
        "path": [to_key(photo.path) for photo in photos],
        "root": [to_key(photo.root) for photo in photos],
        "size": [photo.fingerprint.size for photo in photos],
        "mtime_ns": [photo.fingerprint.mtime_ns for photo in photos],
        "digest": [photo.digest for photo in photos],
        "indexed_at": [photo.indexed_at for photo in photos],
        "sequence": [photo.sequence for photo in photos],
        "ctime_ns": [photo.fingerprint.ctime_ns for photo in photos],
        "vector": [vector for _, vector in upserts],
    }
    return columns | {name: [getattr(photo.info, name) for photo in photos] for name in PhotoInfo.__slots__}


def _to_arrow(
    rows: Sequence[Any], schema: pa.Schema, columns_of: Callable[[Sequence[Any]], _Columns]
) -> tuple[pa.Table, list[RefusedRow]]:
    """Return rows of a table, and those that do not fit, which are found by halving."""
    if not rows:
        return schema.empty_table(), []
    try:
        columns = columns_of(rows)
        return pa.table([_to_array(columns[field.name], field.type) for field in schema], schema=schema), []
    except _UNFIT:
        if len(rows) == 1:
            return schema.empty_table(), [_refused(columns_of(rows), schema)]
    half = len(rows) // 2
    (first, refused), (second, others) = (_to_arrow(part, schema, columns_of) for part in (rows[:half], rows[half:]))
    return pa.concat_tables([first, second]), refused + others


def _to_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return one column. Raises one of _UNFIT when a value does not fit."""
    if not pa.types.is_fixed_size_list(kind):
        return pa.array(values, kind)
    with np.errstate(over="ignore"):
        half = np.stack(values).astype(np.float16)
    if half.shape[1:] != (kind.list_size,) or not np.isfinite(half).all():
        raise ValueError("not a vector of this model")
    return pa.FixedSizeListArray.from_arrays(pa.array(half.reshape(-1)), kind.list_size)


def _refused(columns: _Columns, schema: pa.Schema) -> RefusedRow:
    """Return what is wrong with a single row: its first value that does not fit."""
    for field in schema:
        value = columns[field.name][0]
        try:
            _to_array([value], field.type)
        except _UNFIT:
            shown = repr(value)
            shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
            return RefusedRow(from_key(columns["path"][0]), f"the index cannot hold its {field.name}, {shown}")
    raise AssertionError(columns)


def collect_photos(count: int, batches: Iterable[pa.Table]) -> tuple[list[Photo], Vectors]:
    """Return the photos of `count` rows, which come in one batch at least, and their vectors, [count, dim] float32.

    Values that many photos have are the same object in all of them.
    """
    photos: list[Photo] = []
    vectors: Vectors | None = None
    shared: dict[Any, Any] = {}
    for batch in batches:
        more, rows = photos_from_arrow(batch, shared)
        if vectors is None:
            vectors = np.empty((count, rows.shape[1]), np.float32)
        vectors[len(photos) : len(photos) + len(more)] = rows
        photos += more
    assert vectors is not None
    return photos, vectors


def photos_from_arrow(table: pa.Table, shared: dict[Any, Any] | None = None) -> tuple[list[Photo], Vectors]:
    """Return the photos of a table and their vectors, [n, dim] float32.

    `shared` has values that many photos have, by themselves; those of these photos are added.
    """
    shared = {} if shared is None else shared
    columns = {name: table.column(name).to_pylist() for name, _ in _COLUMNS}
    columns["root"] = list(map(from_key, columns["root"]))
    columns |= {name: [shared.setdefault(value, value) for value in columns[name]] for name in _SHARED}
    files = zip(*(columns[name] for name in _FILE_COLUMNS), strict=True)
    infos = zip(*(columns[name] for name in PhotoInfo.__slots__), strict=True)
    photos = [
        Photo(
            path=from_key(path),
            root=root,
            fingerprint=Fingerprint(size, mtime_ns, ctime_ns),
            digest=digest,
            info=PhotoInfo(*info),
            indexed_at=indexed_at,
            sequence=sequence or 0,
        )
        for (path, root, size, mtime_ns, ctime_ns, digest, indexed_at, sequence), info in zip(files, infos, strict=True)
    ]
    dim = table.schema.field("vector").type.list_size
    vectors = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return photos, vectors.reshape(len(photos), dim).astype(np.float32)


def failures_to_arrow(failures: Sequence[Failure]) -> tuple[pa.Table, list[RefusedRow]]:
    """Return rows for `failures`, and those that do not fit."""
    return _to_arrow(failures, FAILURES, _failure_columns)


def _failure_columns(failures: Sequence[Failure]) -> _Columns:
    columns: _Columns = {
        "path": [to_key(failure.path) for failure in failures],
        "size": [failure.fingerprint.size for failure in failures],
        "mtime_ns": [failure.fingerprint.mtime_ns for failure in failures],
        "ctime_ns": [failure.fingerprint.ctime_ns for failure in failures],
        "reason": [failure.reason.encode("utf-8", "backslashreplace").decode() for failure in failures],
    }
    names = ("decoder", "attempts", "failed_at", "digest")
    return columns | {name: [getattr(failure, name) for failure in failures] for name in names}


def failures_from_arrow(table: pa.Table) -> list[Failure]:
    """Return the failures of a table."""
    return [
        Failure(
            from_key(row["path"]),
            Fingerprint(row["size"], row["mtime_ns"], row["ctime_ns"]),
            row["reason"],
            row["decoder"],
            row["attempts"],
            row["failed_at"],
            row["digest"],
        )
        for row in table.to_pylist()
    ]


def volumes_to_arrow(volumes: Sequence[Volume]) -> pa.Table:
    """Return rows for `volumes`."""
    rows = [
        {
            "path": to_key(volume.path),
            "root": to_key(volume.root),
            "identity": json.dumps(volume.identity),
            "seen_at": volume.seen_at,
        }
        for volume in volumes
    ]
    return pa.Table.from_pylist(rows, schema=VOLUMES)


def volumes_from_arrow(table: pa.Table) -> list[Volume]:
    """Return the volumes of a table."""
    return [
        Volume(from_key(row["path"]), from_key(row["root"]), json.loads(row["identity"]), row["seen_at"])
        for row in table.to_pylist()
    ]


def stale(photos: Sequence[Photo]) -> list[int]:
    """Return the indices of photos of which there is a newer row with the same path."""
    newest = {photo.path: row for row, photo in sorted(enumerate(photos), key=lambda item: item[1].indexed_at)}
    return [row for row, photo in enumerate(photos) if newest[photo.path] != row]
