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
from phsearch.domain.types import Failure, Fingerprint, ModelIdentity, Photo, PhotoInfo, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.types import Vectors

_IDENTITY = b"phsearch.model"

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
)

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


def photos_to_arrow(photos: Sequence[Photo], vectors: Vectors, schema: pa.Schema) -> pa.Table:
    """Return rows for `photos` and their `vectors`, [n, dim]."""
    columns: dict[str, Any] = {
        "path": [to_key(photo.path) for photo in photos],
        "root": [to_key(photo.root) for photo in photos],
        "size": [photo.fingerprint.size for photo in photos],
        "mtime_ns": [photo.fingerprint.mtime_ns for photo in photos],
        "digest": [photo.digest for photo in photos],
        "indexed_at": [photo.indexed_at for photo in photos],
    }
    for name in PhotoInfo.__slots__:
        columns[name] = [getattr(photo.info, name) for photo in photos]
    half = np.ascontiguousarray(vectors, dtype=np.float16).reshape(-1)
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(half), schema.field("vector").type.list_size)
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def photos_from_arrow(table: pa.Table) -> tuple[list[Photo], Vectors]:
    """Return the photos of a table and their vectors, [n, dim] float32."""
    roots: dict[str, str] = {}
    columns = {name: table.column(name).to_pylist() for name, _ in _COLUMNS}
    photos = [
        Photo(
            path=from_key(path),
            root=roots.setdefault(root, from_key(root)),
            fingerprint=Fingerprint(size, mtime_ns),
            digest=digest,
            info=PhotoInfo(*info),
            indexed_at=indexed_at,
        )
        for path, root, size, mtime_ns, digest, *info, indexed_at in zip(*columns.values(), strict=True)
    ]
    dim = table.schema.field("vector").type.list_size
    vectors = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return photos, vectors.reshape(len(photos), dim).astype(np.float32)


def failures_to_arrow(failures: Sequence[Failure]) -> pa.Table:
    """Return rows for `failures`."""
    rows = [
        {
            "path": to_key(failure.path),
            "size": failure.fingerprint.size,
            "mtime_ns": failure.fingerprint.mtime_ns,
            "reason": failure.reason.encode("utf-8", "backslashreplace").decode(),
            "decoder": failure.decoder,
            "attempts": failure.attempts,
            "failed_at": failure.failed_at,
            "digest": failure.digest,
        }
        for failure in failures
    ]
    return pa.Table.from_pylist(rows, schema=FAILURES)


def failures_from_arrow(table: pa.Table) -> list[Failure]:
    """Return the failures of a table."""
    return [
        Failure(
            from_key(row["path"]),
            Fingerprint(row["size"], row["mtime_ns"]),
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
