"""The index on the disk, read without any code of phsearch."""

from __future__ import annotations

import os
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

import lancedb
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.domain.types import Vectors


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table of photos."""

    path: str
    size: int
    mtime_ns: int
    digest: bytes


def read(state: Path, model: str) -> tuple[list[Row], Vectors]:
    """Return all rows and their vectors, [n, dim]. Raises the error of LanceDB for a table that does not open."""
    connection = lancedb.connect(state / "index")
    of_model = [name for name in connection.list_tables().tables if name.startswith(f"photos_{model}_")]
    if not of_model:
        return [], np.empty((0, 0), np.float32)
    (name,) = of_model
    table = connection.open_table(name).to_arrow()
    names = ("path", "size", "mtime_ns", "digest")
    columns = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    rows = [Row(_path(path), size, mtime_ns, digest) for path, size, mtime_ns, digest in columns]
    flat = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    dim = table.schema.field("vector").type.list_size
    return rows, flat.reshape(len(rows), dim).astype(np.float32)


def _path(key: str) -> str:
    return os.fsdecode(urllib.parse.unquote_to_bytes(key[len("file://") :])) if key.startswith("file://") else key
