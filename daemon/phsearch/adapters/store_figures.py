"""What the tables of an index take on disk. Nothing is changed, and only what maintenance looks at is read."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from phsearch.adapters.store_files import size
from phsearch.domain.types import TableFigures

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from phsearch.adapters.store_table import Table

_SUFFIX = ".lance"
_OF_A_MODEL = ("photos_", "retired_")


def figures(folder: Path, tables: Iterable[Table]) -> list[TableFigures]:
    """Give the figures of the tables in use, then those of other models' photos. Raises StoreError."""
    tables = list(tables)
    return [table.figures() for table in tables if table.exists] + former(folder, tables)


def former(folder: Path, tables: Iterable[Table]) -> list[TableFigures]:
    """Give the figures of other models' photos, which nothing removes."""
    own = {table.folder for table in tables}
    found = []
    with contextlib.suppress(FileNotFoundError):
        for entry in sorted(folder.iterdir()):
            name = entry.name.removesuffix(_SUFFIX)
            if name != entry.name and name.startswith(_OF_A_MODEL) and entry not in own:
                found.append(TableFigures(name, size(entry), former=True))
    return found
