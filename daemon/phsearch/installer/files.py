"""Files of an installation: the ones that `install` starts from, and writing the ones that it makes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from phsearch.atomic_write import atomic_write
from phsearch.errors import PhsearchError, remedy_of

_CHECKOUT = Path(__file__).parents[3]


def text(name: str) -> str:
    """Return the text of a file of ours, e.g. "systemd/phsearch.service". Raise PhsearchError.

    It is part of the wheel. In a checkout it is beside the sources.
    """
    packaged = resources.files("phsearch.installer").joinpath(f"data/{name}")
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    try:
        return (_CHECKOUT / name).read_text(encoding="utf-8")
    except OSError:
        raise PhsearchError(f"this installation of phsearch lacks {name}", "install phsearch again") from None


def write(file: Path, text: str, mode: int) -> None:
    """Write `text`, making the folders above; the file is whole or is what it was. Raise PhsearchError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, text.encode(), mode=mode)
    except OSError as error:
        raise PhsearchError(
            f"cannot write {file}: {error.strerror}", remedy_of(error.errno, "make its folder writable")
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder that only its owner may use, unless it exists. Raise PhsearchError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PhsearchError(
            f"cannot make {path}: {error.strerror}", remedy_of(error.errno, "make the folder above it writable")
        ) from error
