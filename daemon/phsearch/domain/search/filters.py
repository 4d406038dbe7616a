"""Filters as masks over the columns: exact, and applied to the scores before anything is cut."""

from __future__ import annotations

import calendar
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.query.dates import TakenBetween, Undated
from phsearch.domain.query.measures import Near, Size
from phsearch.domain.query.names import Camera, Folder, Format, Orientation, Root
from phsearch.domain.search.columns import UNDATED
from phsearch.domain.search.name_matching import folder_matcher, is_camera, root_matcher

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy.typing as npt

    from phsearch.domain.query.ast import Filter, Test
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.search.columns import Column, Columns, StringDictionary

    Bounds = tuple[float | None, float | None]
    Mask = npt.NDArray[np.bool_]
    """[n]."""

_EARTH_RADIUS = 6_371_008.8
"""The mean radius in metres."""
_MARGIN = 1e-6
"""Degrees: rounding must not decide."""
_PANORAMA = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedSpan:
    """When photos were indexed: after and until a time in seconds, or a number of the sequence; None is no bound."""

    times: Bounds = (None, None)
    sequence: Bounds = (None, None)

    @property
    def bounds(self) -> Mapping[Column, Bounds]:
        """The bounds of each column."""
        return {"indexed": self.times, "sequence": self.sequence}


ALWAYS = IndexedSpan()


class FilterCompiler:
    """Compiles filters to masks; "~" is `home`."""

    def __init__(self, roots: Roots, home: str) -> None:
        self._roots = roots
        self._home = home

    def compile(self, filters: Sequence[Filter], span: IndexedSpan = ALWAYS) -> Callable[[Columns], Mask]:
        """Return a function from columns to the mask, [n], of the photos for which every filter holds."""

        def where(columns: Columns) -> Mask:
            mask = np.ones(len(columns), np.bool_)
            for term in filters:
                mask &= self._any(term.tests, columns) ^ term.negated
            for column, (after, until) in span.bounds.items():
                if after is not None:
                    mask &= columns[column] > after
                if until is not None:
                    mask &= columns[column] <= until
            return mask

        return where

    def fits_any(self, test: Folder | Root | Camera, names: Iterable[str]) -> bool:
        """Whether a test of names holds for any of these folders or cameras."""
        return any(map(self._name_test(test), names))

    def _any(self, tests: Sequence[Test], columns: Columns) -> Mask:
        return functools.reduce(np.logical_or, (self._mask(test, columns) for test in tests))

    def _mask(self, test: Test, columns: Columns) -> Mask:
        match test:
            case TakenBetween():
                mask = _taken_between(test, columns)
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
                mask = _orientation(test, columns)
            case Size():
                mask = _size(test, columns)
        return mask

    def _by_name(
        self, test: Folder | Root | Camera | Format, columns: Columns, column: Column, names: StringDictionary
    ) -> Mask:
        """Test each name once, not each photo."""
        holds = self._name_test(test)
        mask: Mask = np.array([holds(name) for name in names.listed()], np.bool_)[columns[column]]
        return mask

    def _name_test(self, test: Folder | Root | Camera | Format) -> Callable[[str], bool]:
        match test:
            case Folder(pattern, literal):
                return folder_matcher(pattern, self._roots, self._home, literal=literal)
            case Root(root):
                return root_matcher(root, self._roots, self._home)
            case Camera(words):
                return lambda camera: is_camera(camera, words)
            case Format(formats=formats):
                return lambda name: name in formats


def _taken_between(test: TakenBetween, columns: Columns) -> Mask:
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
    """Compare great-circle distances (haversine formula) of the photos whose latitude is not already too far away."""
    degrees = np.degrees(test.metres / _EARTH_RADIUS) + _MARGIN
    mask: Mask = np.abs(columns["lat"] - test.lat) <= degrees  # False for NaN
    rows = np.flatnonzero(mask)
    lat, lon = np.radians(columns["lat"][rows]), np.radians(columns["lon"][rows])
    here_lat, here_lon = np.radians(test.lat), np.radians(test.lon)
    squared = np.sin((lat - here_lat) / 2) ** 2
    squared += np.cos(lat) * np.cos(here_lat) * np.sin((lon - here_lon) / 2) ** 2
    mask[rows] = 2 * _EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(squared, 1))) <= test.metres
    return mask


def _orientation(test: Orientation, columns: Columns) -> Mask:
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
