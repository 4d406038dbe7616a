"""What a query says, as values: what to rank by, and which photos count at all."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from phsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the query something stands: characters from `start` to before `end`."""

    start: int
    end: int


NOWHERE = Place(0, 0)


# --- what to rank by ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words to come close to, or with a negative weight to keep away from."""

    text: str
    weight: float = 1.0
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Like:
    """A photo to come close to, or to keep away from; `path` as it was written, absolute or not."""

    path: str
    weight: float = 1.0
    place: Place = field(default=NOWHERE, compare=False)


Aim = Phrase | Like


# --- which photos count -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TakenBetween:
    """Taken from `start` on and before `end`, by the clock of the camera; None is open."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Undated:
    """No date is known."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Lies below a folder, as it was written: part of a path, a path from "/" or "~", or a glob."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Root:
    """Belongs to a root, by its name or its path."""

    name: str


@dataclass(frozen=True, slots=True)
class Camera:
    """Taken with a camera whose name has these words."""

    words: str


@dataclass(frozen=True, slots=True)
class Format:
    """Has one of these formats, as `PhotoInfo.format` names them, e.g. "JPEG" or "NEF"; `name` is what was asked."""

    name: str
    formats: frozenset[str] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Near:
    """Taken at most so many metres from a point, in degrees."""

    lat: float
    lon: float
    metres: float


@dataclass(frozen=True, slots=True)
class Orientation:
    """Its shape as shown: a panorama is at least twice as wide as high, or as high as wide."""

    shape: Literal["portrait", "landscape", "square", "panorama"]


@dataclass(frozen=True, slots=True)
class Size:
    """At least `low` and at most `high`, or more than and less than where that is exclusive; None is open.

    Of "pixels" (width times height), "side" (the longer one, in pixels) or "bytes" (of the file).
    """

    of: Literal["pixels", "side", "bytes"]
    low: float | None = None
    high: float | None = None
    exclusive: bool = False


Test = TakenBetween | Undated | Folder | Root | Camera | Format | Near | Orientation | Size


@dataclass(frozen=True, slots=True)
class Filter:
    """One term of the query: any of `tests` must hold, or with `negated` none of them may."""

    key: str
    """As in the grammar, e.g. "date"."""
    tests: tuple[Test, ...]
    negated: bool = False
    value: str = field(default="", compare=False)
    """What was written after the colon."""
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Query:
    """All aims together rank; every filter must hold. Without an aim photos are listed by date."""

    aims: tuple[Aim, ...] = ()
    filters: tuple[Filter, ...] = ()


# How a mistake in a query is told: one sentence, what to write instead, and where.


_LONGEST = 60


def error_at(place: Place, message: str, hint: str) -> QueryError:
    """Make the error of what stands at `place`."""
    return QueryError(message, hint, start=place.start, end=place.end)


def closest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word that `word` is most likely a slip of, None where it is like none."""
    return next(iter(difflib.get_close_matches(word.lower(), known, 1)), None)


def quoted_excerpt(text: str) -> str:
    """Give what was written, cut where it would make a sentence too long to read."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
