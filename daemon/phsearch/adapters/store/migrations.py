"""Converts the rows of an older phsearch to those of this one, one step at a time.

Each kind of table counts its own schema versions, beginning with 1, and each table keeps its version. `STEPS` holds for
each kind the functions from version 1 to 2, from 2 to 3 and so on: a new version is one more function. A function takes
all rows and returns them with the next version's columns. A table of a higher version than there are steps was written
by a newer phsearch and is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Step = Callable[[pa.Table], pa.Table]

_VERSION = b"phsearch.schema"


def _failures_with_digest(rows: pa.Table) -> pa.Table:
    """Version 2 has the content of failures, too, which is not known of older ones."""
    kind = pa.binary(16)
    return rows.append_column(pa.field("digest", kind), pa.nulls(rows.num_rows, kind))


def _with_ctime(rows: pa.Table) -> pa.Table:
    """Photos of version 2 and failures of version 3 have the time of the last change, unknown of older ones."""
    return rows.append_column(pa.field("ctime_ns", pa.int64()), pa.nulls(rows.num_rows, pa.int64()))


def _photos_with_source_and_sequence(rows: pa.Table) -> pa.Table:
    """Version 3 has the place where the date of a photo stood, and its number in order; of older ones neither."""
    for name, kind in (("date_source", pa.string()), ("sequence", pa.int64())):
        rows = rows.append_column(pa.field(name, kind), pa.nulls(rows.num_rows, kind))
    return rows


STEPS: Mapping[str, tuple[Step, ...]] = {
    "photos": (_with_ctime, _photos_with_source_and_sequence),
    "errors": (_failures_with_digest, _with_ctime),
    "volumes": (),
}


def latest(kind: str) -> int:
    """Return the version that this phsearch writes."""
    return len(STEPS[kind]) + 1


def stamp(kind: str) -> dict[bytes, bytes]:
    """Return the metadata that says which version a table has."""
    return {_VERSION: str(latest(kind)).encode()}


def version_of(schema: pa.Schema) -> int:
    """Return the schema version of a table, 0 where it has none."""
    return int((schema.metadata or {}).get(_VERSION, b"0"))


def migrate(kind: str, rows: pa.Table) -> pa.Table:
    """Return `rows` of an older version with the latest columns; other metadata stays."""
    metadata = {**(rows.schema.metadata or {}), **stamp(kind)}
    for step in STEPS[kind][max(version_of(rows.schema), 1) - 1 :]:
        rows = step(rows)
    return rows.replace_schema_metadata(metadata)
