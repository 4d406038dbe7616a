"""The values that filters test, in columns whose rows are those of the resident matrix.

They take about 80 bytes a photo. Cameras, formats and folders are few and long, so a row holds a number, and a table
holds each name once: a filter tests each name, not each photo.
"""

from __future__ import annotations

import calendar
import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from phsearch.domain.types import Photo

UNDATED = np.iinfo(np.int64).min
"""The value of `taken` if no date is known."""

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d))?")
_MIN_ROWS = 256
_MIN_NAMES = 1_000
_ROWS_AT_ONCE = 4_096


class StringDictionary:
    """Names that rows share, each with a number. Unused names stay until `compact` removes them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []

    def __len__(self) -> int:
        return len(self._names)

    def number(self, name: str) -> int:
        """Return the number of a name, which is added if it is new."""
        if (number := self._numbers.get(name)) is None:
            number = self._numbers[name] = len(self._names)
            self._names.append(name)
        return number

    def listed(self) -> list[str]:
        """Return all names, by number."""
        return self._names.copy()

    def compact(self, used: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Remove the names that no row has, and return the new numbers of the rows, [n], for the old ones, `used`."""
        kept, numbers = np.unique(used, return_inverse=True)
        self._names = [self._names[number] for number in kept]
        self._numbers = {name: number for number, name in enumerate(self._names)}
        return numbers.astype(np.int32)


Column = Literal["taken", "indexed", "sequence", "lat", "lon", "bytes", "width", "height", "camera", "format", "folder"]

_DTYPES: dict[Column, type[np.generic]] = {
    "taken": np.int64,
    "indexed": np.float64,
    "sequence": np.int64,
    "lat": np.float64,
    "lon": np.float64,
    "bytes": np.int64,
    "width": np.int32,
    "height": np.int32,
    "camera": np.int32,
    "format": np.int32,
    "folder": np.int32,
}


class Columns:
    """One value a photo in each column. The rows are those of the matrix, which owns the columns.

    `taken` is in seconds by the camera's clock, as if that were UTC, or UNDATED; `indexed` in seconds since the
    epoch, and `sequence` as a number in order; `lat` and `lon` in degrees, NaN if unknown; `bytes` is the size of
    the file; `width` and `height` are in pixels as shown; `camera`, `format` and `folder` are numbers in `cameras`
    ("" if unknown), `formats` and `folders` (whole paths).
    """

    def __init__(self, photos: Sequence[Photo] = ()) -> None:
        self.cameras, self.formats, self.folders = StringDictionary(), StringDictionary(), StringDictionary()
        self._count = len(photos)
        self._values: dict[Column, npt.NDArray[Any]] = {
            name: np.empty(self._count, dtype) for name, dtype in _DTYPES.items()
        }
        # Column by column: row by row a million photos would delay the start by several seconds.
        for start in range(0, self._count, _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            columns = zip(*map(self._row_values, photos[rows]), strict=True)
            for values, column in zip(self._values.values(), columns, strict=True):
                values[rows] = column

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, name: Column) -> npt.NDArray[Any]:
        """Return one column, [n], which must not be changed or kept."""
        return self._values[name][: self._count]

    def put_row(self, row: int, photo: Photo) -> None:
        """Write a row; the row after the last one is added."""
        if row >= len(self._values["taken"]):
            self._resize(max(_MIN_ROWS, row + row // 2 + 1))
        self._count = max(self._count, row + 1)
        for values, value in zip(self._values.values(), self._row_values(photo), strict=True):
            values[row] = value
        most = max(_MIN_NAMES, 2 * self._count)
        if len(self.folders) > most:
            self._compact("folder", self.folders)
        if len(self.cameras) > most:
            self._compact("camera", self.cameras)

    def used_names(self, column: Literal["camera", "folder"]) -> list[str]:
        """Return the cameras or the folders that photos have; unlike `listed`, none of photos that are gone."""
        names = (self.cameras if column == "camera" else self.folders).listed()
        return [names[number] for number in np.flatnonzero(np.bincount(self[column]))]

    def move_row(self, source: int, target: int) -> None:
        """Copy one row over another."""
        for values in self._values.values():
            values[target] = values[source]

    def pop_row(self) -> None:
        """Remove the last row."""
        self._count -= 1

    def shrink(self) -> None:
        """Free the memory of removed rows and of names that no row has."""
        self._resize(max(_MIN_ROWS, self._count))
        self._compact("folder", self.folders)
        self._compact("camera", self.cameras)

    def _row_values(self, photo: Photo) -> tuple[float, ...]:
        """Return the values of a row, in the order of the columns."""
        info = photo.info
        return (
            seconds(photo.taken_at),
            photo.indexed_at,
            photo.sequence,
            np.nan if info.lat is None else info.lat,
            np.nan if info.lon is None else info.lon,
            photo.fingerprint.size,
            info.width,
            info.height,
            self.cameras.number(info.camera or ""),
            self.formats.number(info.format),
            self.folders.number(photo.path.rpartition("/")[0] or "/"),
        )

    def _compact(self, name: Column, names: StringDictionary) -> None:
        self._values[name][: self._count] = names.compact(self[name])

    def _resize(self, capacity: int) -> None:
        for name, values in self._values.items():
            grown = np.empty(capacity, values.dtype)
            grown[: self._count] = values[: self._count]
            self._values[name] = grown


def seconds(taken_at: str | None) -> int:
    """Return the seconds of an ISO 8601 time by its own clock, UNDATED if there is none or it is malformed.

    A day counts as its first second.
    """
    match = _ISO.match(taken_at or "")
    if not match:
        return UNDATED
    try:
        return calendar.timegm((*map(int, match.groups("0")), 0, 0, 0))
    except ValueError:
        return UNDATED
