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
    own = [table.figures() for table in tables if table.exists]
    names = {each.name for each in own}
    former = []
    with contextlib.suppress(FileNotFoundError):
        for entry in sorted(folder.iterdir()):
            name = entry.name.removesuffix(_SUFFIX)
            if name != entry.name and name.startswith(_OF_A_MODEL) and name not in names:
                former.append(TableFigures(name, size(entry), former=True))
    return own + former
