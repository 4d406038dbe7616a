"""What the index worker may say, checked value by value.

The worker decodes photos of strangers, and one of them may have taken it over. So nothing that it sends is believed
before it is what a sound worker sends: known operations, finite unit vectors of the model's size, whole numbers in
their range, printable texts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from phsearch.domain.types import DateSource, PhotoInfo
from phsearch.service.workers import frames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.domain.types import Vectors

_MAX_SIDE = 2**31 - 1
_MAX_TEXT = 500
_MAX_SECONDS = 1e7
_UNIT = (0.9, 1.1)
"""Lengths of a vector that is normalised, also in half precision."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[+-]\d\d:\d\d)?)?")
_SOURCES = frozenset(get_args(DateSource))


class NonsenseError(Exception):
    """A worker sent what no sound worker sends. The text says what, for the log."""


@dataclass(frozen=True, slots=True)
class DecodeStarted:
    """The decoding of a photo begins."""

    path: str


@dataclass(frozen=True, slots=True)
class DecodeFinished:
    """A photo is decoded."""

    path: str


@dataclass(frozen=True, slots=True)
class PhotosEmbedded:
    """Photos with what is known of them, and their vectors, [n, dim]."""

    photos: tuple[tuple[str, PhotoInfo], ...]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class PhotoFailed:
    """A photo cannot be had."""

    path: str
    reason: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class PhotoChanged:
    """A photo is another than was asked for."""

    path: str


@dataclass(frozen=True, slots=True)
class SandboxOutdated:
    """A disk was mounted that the sandbox does not allow."""


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch is done, with the seconds and counts of its stages."""

    number: int
    times: Mapping[str, float]


IndexMessage = (
    DecodeStarted | DecodeFinished | PhotosEmbedded | PhotoFailed | PhotoChanged | SandboxOutdated | BatchDone
)


def parse_message(header: frames.Header, payload: bytes, dim: int) -> IndexMessage:
    """Return the message of a frame. Raise NonsenseError for what no sound worker sends."""
    found: IndexMessage | None = None
    match header:
        case {"op": "begun", "path": str(path)}:
            found = DecodeStarted(path)
        case {"op": "decoded", "path": str(path)}:
            found = DecodeFinished(path)
        case {"op": "embedded", "photos": list(rows)}:
            found = PhotosEmbedded(tuple(map(_photo, rows)), _vectors(payload, len(rows), dim))
        case {"op": "failed", "path": str(path), "reason": str(reason), "truncated": bool(truncated)} if _shown(reason):
            found = PhotoFailed(path, reason, truncated)
        case {"op": "changed", "path": str(path)}:
            found = PhotoChanged(path)
        case {"op": "outdated"}:
            found = SandboxOutdated()
        case {"op": "done", "batch": int(number), "times": dict(times)} if all(map(_amount, times.values())):
            found = BatchDone(number, times)
    if found is None:
        raise NonsenseError(f"a message of a kind that there is not: {str(header)[:80]!r}")
    return found


def _photo(row: Any) -> tuple[str, PhotoInfo]:
    match row:
        case {"path": str(path), "info": [width, height, str(kind), taken_at, camera, lens, lat, lon, source]} if (
            _side(width)
            and _side(height)
            and _shown(kind)
            and (taken_at is None or (isinstance(taken_at, str) and _DATE.fullmatch(taken_at) is not None))
            and all(name is None or _shown(name) for name in (camera, lens))
            and _position(lat, lon)
            and (source is None or (isinstance(source, str) and source in _SOURCES))
        ):
            place = cast("DateSource | None", source)
            return path, PhotoInfo(width, height, kind, taken_at, camera, lens, lat, lon, place)
    raise NonsenseError(f"facts of a photo that cannot be: {str(row)[:120]!r}")


def _vectors(payload: bytes, rows: int, dim: int) -> Vectors:
    if len(payload) != rows * dim * 4:
        raise NonsenseError(f"{len(payload):,} bytes for {rows} vectors of {dim}")
    vectors = frames.vectors_from_bytes(payload, rows) if rows else np.empty((0, dim), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1)
    if not ((lengths > _UNIT[0]) & (lengths < _UNIT[1])).all():
        raise NonsenseError("vectors that are not normalised")
    return vectors


def _side(value: Any) -> bool:
    return type(value) is int and 0 < value <= _MAX_SIDE


def _shown(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT and value.isprintable()


def _amount(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _MAX_SECONDS


def _position(lat: Any, lon: Any) -> bool:
    if lat is None and lon is None:
        return True
    return all(type(each) in (int, float) and math.isfinite(each) for each in (lat, lon)) and (
        abs(lat) <= 90 and abs(lon) <= 180  # noqa: PLR2004 - degrees
    )
