"""Filters whose values are names: folders, roots and cameras of the library, formats, shapes."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from phsearch.domain import formats
from phsearch.domain.query.mistakes import closest, error_at, quoted_excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.query.mistakes import Place

RAW = frozenset(suffix.upper() for suffix in formats.RAW_SUFFIXES)
"""The formats of RAW photos: named by their suffix, or just RAW."""

FORMATS: dict[str, frozenset[str]] = {
    **{name.lower(): frozenset({name}) for name in sorted(RAW)},
    "raw": RAW,
    **{word: frozenset(kind.names) for kind in formats.FORMATS for word in kind.words},
}
"""Format as people name it -> the values of `PhotoInfo.format` that it means."""

_KNOWN_FORMATS = (
    f"there are raw, {', '.join(kind.words[0] for kind in formats.FORMATS)}, and suffixes of RAW files, such as nef"
)

_Shape = Literal["portrait", "landscape", "square", "panorama"]
_SHAPES: dict[str, _Shape] = {shape: shape for shape in get_args(_Shape)}


@dataclass(frozen=True, slots=True)
class Folder:
    """Lies below a folder, as written: part of a path, a path from "/" or "~", or a glob if not `literal`."""

    pattern: str
    literal: bool = field(default=False, compare=False)

    def text(self) -> str:
        """Return what it asks for, in words."""
        return self.pattern


@dataclass(frozen=True, slots=True)
class Root:
    """Belongs to a root, by its name or its path."""

    name: str

    def text(self) -> str:
        """Return what it asks for, in words."""
        return self.name


@dataclass(frozen=True, slots=True)
class Camera:
    """Taken with a camera whose name has these words."""

    words: str

    def text(self) -> str:
        """Return what it asks for, in words."""
        return self.words


@dataclass(frozen=True, slots=True)
class Format:
    """Has one of `formats`, the values of `PhotoInfo.format`, e.g. "JPEG" or "NEF"; `name` as written."""

    name: str
    formats: frozenset[str] = field(compare=False)

    def text(self) -> str:
        """Return what it asks for, in words."""
        return self.name.upper()


@dataclass(frozen=True, slots=True)
class Orientation:
    """Its shape as shown. A panorama is at least twice as wide as high, or twice as high as wide."""

    shape: _Shape

    def text(self) -> str:
        """Return what it asks for, in words."""
        return self.shape


def _format(text: str, place: Place) -> Format:
    """Parse the name of a format, which may be written like a suffix, ".nef". Raises QueryError, naming the nearest."""
    name = text.strip().removeprefix("*").removeprefix(".").lower()
    if name in FORMATS:
        return Format(name, FORMATS[name])
    meant = closest(name, FORMATS)
    hint = f"did you mean type:{meant}?" if meant else _KNOWN_FORMATS
    raise error_at(place, f'"{quoted_excerpt(text)}" is no type of photo', hint)


def _orientation(text: str, place: Place) -> Orientation:
    """Parse the name of a shape. Raises QueryError, naming the nearest."""
    if shape := _SHAPES.get(text.strip().lower()):
        return Orientation(shape)
    meant = closest(text, _SHAPES)
    hint = f"did you mean orientation:{meant}?" if meant else f"there are {', '.join(_SHAPES)}"
    raise error_at(place, f'"{quoted_excerpt(text)}" is no orientation', hint)


NameTest = Folder | Root | Camera | Format | Orientation


def parsers(cwd: str | None, *, quoted: bool) -> dict[str, Callable[[str, Place], NameTest]]:
    """Return the parser of one value and its place for each filter, by key.

    ".", ".." and "./" begin at `cwd`. A folder that was `quoted` is no glob.
    """
    return {
        "in": lambda text, _place: Folder(_absolute(text, cwd), literal=quoted),
        "root": lambda text, _place: Root(text),
        "camera": lambda text, _place: Camera(" ".join(text.split())),
        "type": _format,
        "orientation": _orientation,
    }


def _absolute(folder: str, cwd: str | None) -> str:
    is_relative = folder in (".", "..") or folder.startswith(("./", "../"))
    return posixpath.normpath(f"{cwd}/{folder}") if is_relative and cwd else folder
