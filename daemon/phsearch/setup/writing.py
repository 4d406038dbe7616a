"""Files of an installation: written whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from pathlib import Path


def write(file: Path, text: str, mode: int) -> None:
    """Write `text`, making the folders above. Raises PhsearchError."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(fresh, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, mode)) as out:
            out.write(text)
        fresh.replace(file)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise PhsearchError(f"cannot write {file}: {error.strerror}", "make its folder writable") from error


def folder(path: Path) -> None:
    """Make a folder for the owner alone, unless it is there. Raises PhsearchError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PhsearchError(f"cannot make {path}: {error.strerror}", "make the folder above it writable") from error
