"""Filters as masks over the columns: exact, and laid over the scores before anything is cut."""

from __future__ import annotations

import calendar
import functools
import posixpath
import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
from pathspec import GitIgnoreSpec

from phsearch.domain.query.ast import Camera, Folder, Format, Near, Orientation, Root, Size, TakenBetween, Undated
from phsearch.domain.search.columns import UNDATED

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from phsearch.domain.query.ast import Filter, Test
    from phsearch.domain.search.columns import Column, Columns, StringDictionary

    Mask = npt.NDArray[np.bool_]
    """[n]."""

# What `in:` means: a folder by a part of its path, by the whole of it, or by a glob.
#
# Owners write what they see, so neither case nor the form of accented letters counts, and a part of a path is enough:
# `Holidays/2023` are the photos below any folder Holidays/2023, however deep. What lies above a root counts for
# nothing, or `in:home` would be everything.


_GLOB = frozenset("*?[")


def matcher(pattern: str, root_of: Callable[[str], str | None], home: str) -> Callable[[str], bool]:
    """Give what tells of a folder, a whole path, whether it or one above it is meant.

    `root_of` gives a folder's root; `home` stands for "~".
    """
    if pattern.startswith(("/", "~")) and not _GLOB & set(pattern):
        expanded = home + pattern[1:] if pattern == "~" or pattern.startswith("~/") else pattern
        whole = fold_name(posixpath.normpath(expanded)).rstrip("/")
        return lambda folder: fold_name(folder) == whole or fold_name(folder).startswith(f"{whole}/")
    wanted = fold_name(pattern).strip("/")
    if _GLOB & set(pattern):
        spec = GitIgnoreSpec.from_lines([f"/{wanted}/" if pattern.startswith("/") else f"**/{wanted}/"])
        # A pattern for folders wants a slash at the end of what it is compared with.
        return lambda folder: spec.match_file(f"{_named(folder, root_of)}/")
    inside = f"/{wanted}/"
    return lambda folder: inside in f"/{_named(folder, root_of)}/"


def fold_name(text: str) -> str:
    """Give a name as it is compared."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def _named(folder: str, root_of: Callable[[str], str | None]) -> str:
    """Give a folder's path from the name of its root on."""
    root = root_of(folder)
    if root is None:
        return fold_name(folder).lstrip("/")
    return fold_name(folder[len(root.rpartition("/")[0]) :]).lstrip("/")


_EARTH = 6_371_008.8
"""Its mean radius in metres."""
_MARGIN = 1e-6
"""Degrees: rounding must not decide."""
_PANORAMA = 2
_WORD = re.compile(r"[^\W_]+")


class FilterCompiler:
    """Makes masks; `root_of` gives the root a folder belongs to, `home` is what "~" stands for."""

    def __init__(self, root_of: Callable[[str], str | None], home: str) -> None:
        self._root_of = root_of
        self._home = home

    def compile(
        self, filters: Sequence[Filter], indexed_after: float | None = None, indexed_until: float | None = None
    ) -> Callable[[Columns], Mask]:
        """Give what makes the mask of photos, [n], for which every filter holds."""

        def where(columns: Columns) -> Mask:
            mask = np.ones(len(columns), np.bool_)
            for term in filters:
                mask &= self._any(term.tests, columns) ^ term.negated
            if indexed_after is not None:
                mask &= columns["indexed"] > indexed_after
            if indexed_until is not None:
                mask &= columns["indexed"] <= indexed_until
            return mask

        return where

    def fits_any(self, test: Test, names: Iterable[str]) -> bool:
        """Say whether a `test` of names holds for any of these cameras, or folders."""
        return any(map(self._told(test), names))

    def _any(self, tests: Sequence[Test], columns: Columns) -> Mask:
        return functools.reduce(np.logical_or, (self._test(test, columns) for test in tests))

    def _test(self, test: Test, columns: Columns) -> Mask:
        match test:
            case TakenBetween():
                mask = _taken(test, columns)
            case Undated():
                mask = columns["taken"] == UNDATED
            case Folder() | Root():
                mask = self._by_name(test, columns, "folder", columns.folders)
            case Camera():
                mask = self._by_name(test, columns, "camera", columns.cameras)
            case Format():
                mask = self._by_name(test, columns, "format", columns.formats)
            case Near():
                mask = _near(test, columns)
            case Orientation():
                mask = _shape(test, columns)
            case Size():
                mask = _size(test, columns)
        return mask

    def _by_name(self, test: Test, columns: Columns, column: Column, names: StringDictionary) -> Mask:
        """Ask each name once."""
        told = self._told(test)
        mask: Mask = np.array([told(name) for name in names.listed()], np.bool_)[columns[column]]
        return mask

    def _told(self, test: Test) -> Callable[[str], bool]:
        match test:
            case Folder(pattern):
                return matcher(pattern, self._root_of, self._home)
            case Root(name):
                return lambda folder: is_root(self._root_of(folder), name, self._home)
            case Camera(words):
                return lambda camera: is_camera(camera, words)
            case Format(formats=formats):
                return lambda name: name in formats
            case _:
                raise AssertionError(test)


def is_root(root: str | None, name: str, home: str) -> bool:
    """Tell whether a root is meant by its path or by its last part."""
    if root is None:
        return False
    wanted = fold_name(home + name[1:] if name.startswith("~/") else name).rstrip("/")
    return wanted in (fold_name(root), fold_name(root.rpartition("/")[2]))


def is_camera(camera: str, words: str) -> bool:
    """Tell whether all words stand in a camera's name one after the other; of the last its beginning is enough.

    "pixel 8" is a Google Pixel 8 and a Pixel 8 Pro, not a Pixel 3 of the year 8.
    """
    name, wanted = _WORD.findall(fold_name(camera)), _WORD.findall(fold_name(words))
    if not wanted:
        return fold_name(words).strip() == fold_name(camera)
    for start in range(len(name) - len(wanted) + 1):
        *first, last = name[start : start + len(wanted)]
        if first == wanted[:-1] and _begins(last, wanted[-1]):
            return True
    return False


def _begins(word: str, wanted: str) -> bool:
    # Of a number its beginning is another number.
    return word == wanted or (word.startswith(wanted) and not (wanted[-1].isdigit() and word[len(wanted)].isdigit()))


def _taken(test: TakenBetween, columns: Columns) -> Mask:
    taken = columns["taken"]
    mask: Mask = taken != UNDATED
    if test.start is not None:
        mask &= taken >= _seconds(test.start)
    if test.end is not None:
        mask &= taken < _seconds(test.end)
    return mask


def _seconds(moment: dt.datetime) -> int:
    return calendar.timegm(moment.timetuple())


def _near(test: Near, columns: Columns) -> Mask:
    """Compare great-circle distances, by the haversine formula, where the latitude alone does not say it is too far."""
    mask: Mask = np.abs(columns["lat"] - test.lat) <= np.degrees(test.metres / _EARTH) + _MARGIN  # NaN is near nothing
    rows = np.flatnonzero(mask)
    lat, lon = np.radians(columns["lat"][rows]), np.radians(columns["lon"][rows])
    here_lat, here_lon = np.radians(test.lat), np.radians(test.lon)
    squared = np.sin((lat - here_lat) / 2) ** 2
    squared += np.cos(lat) * np.cos(here_lat) * np.sin((lon - here_lon) / 2) ** 2
    mask[rows] = 2 * _EARTH * np.arcsin(np.sqrt(np.minimum(squared, 1))) <= test.metres
    return mask


def _shape(test: Orientation, columns: Columns) -> Mask:
    width, height = columns["width"], columns["height"]
    mask: Mask
    match test.shape:
        case "portrait":
            mask = height > width
        case "landscape":
            mask = width > height
        case "square":
            mask = width == height
        case "panorama":
            mask = np.maximum(width, height) >= _PANORAMA * np.minimum(width, height)
    return mask


def _size(test: Size, columns: Columns) -> Mask:
    match test.of:
        case "pixels":
            size = columns["width"].astype(np.int64) * columns["height"]
        case "side":
            size = np.maximum(columns["width"], columns["height"])
        case "bytes":
            size = columns["bytes"]
    mask: Mask = np.ones(len(size), np.bool_)
    if test.low is not None:
        mask &= size > test.low if test.exclusive else size >= test.low
    if test.high is not None:
        mask &= size < test.high if test.exclusive else size <= test.high
    return mask
