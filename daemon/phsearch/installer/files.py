"""Files of an installation: written whole or not at all."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from phsearch.errors import PhsearchError

# The files that `install` starts from: part of the wheel, or, in a checkout, beside the sources.


_CHECKOUT = Path(__file__).parents[3]


def text(name: str) -> str:
    """Give a file, e.g. "systemd/phsearch.service". Raises PhsearchError."""
    packaged = resources.files("phsearch.installer").joinpath(f"data/{name}")
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    try:
        return (_CHECKOUT / name).read_text(encoding="utf-8")
    except OSError:
        raise PhsearchError(f"this installation of phsearch lacks {name}", "install it anew") from None


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
