"""Photos of one moment: bursts, edits, copies, a RAW and its JPEG. One of them is shown, the others are counted.

That two photos look alike is not enough: of 580 different photos 32 pairs are closer than half of all photos are to
their own crop (`make quality`). So they must be related, too: the same bytes, or taken within seconds of each other by
the same camera, or named after each other in the same place. And each must be close to the moment's best photo, not
only to its neighbour, or an afternoon at the beach would be one moment.

How close is close depends on the model: it is counted in standard deviations above what two photos in general have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.columns import UNDATED, seconds

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from phsearch.domain.relevance import Calibration
    from phsearch.domain.types import Photo, Vectors

BURST_SECONDS = 10
_BY_NAME, _BY_TIME = 2.5, 5.0
"""Standard deviations: names say much, so that a crop in black and white counts; seconds say less."""
_CAREFUL = (0.8, 0.9)
"""Cosines where nobody knows what photos in general have."""
_FEWEST = 30
_ADDED = re.compile(
    r"""( [ _-]* (?: \(\d{1,3}\) | ~\d{1,3} | copy(?:[ _-]?\d{1,3})? | kopie | edit(?:ed)? | bearbeitet | crop(?:ped)?
        | final | hdr | bw | small | large | burst\d* | cover | collage | enhanced | effects ) )+ $""",
    re.IGNORECASE | re.VERBOSE,
)
_BEFORE = re.compile(r"^(?:copy of|kopie von|edited)[ _-]+", re.IGNORECASE)
_SHORTEST = 3


@dataclass(frozen=True, slots=True)
class Closeness:
    """From which cosine on two photos are close: `by_name` if their names are related, `by_time` if their times are."""

    by_name: float
    by_time: float

    @classmethod
    def of(cls, mean: Vectors, covariance: Vectors) -> Closeness:
        """Give it from mean [dim] and covariance [dim, dim] of photos in general: two of them have known cosines."""
        middle = float(mean @ mean)
        spread = float(np.sqrt((covariance * covariance).sum() + 2 * mean @ covariance @ mean))
        return cls(middle + _BY_NAME * spread, middle + _BY_TIME * spread)

    @classmethod
    def known(cls, calibration: Calibration, rows: Vectors) -> Closeness:
        """Give it from a model's calibration, or else from some photos of the library, [n, dim]."""
        if calibration.mean is not None and calibration.covariance is not None:
            return cls.of(calibration.mean, calibration.covariance)
        if len(rows) < _FEWEST:
            return cls(*_CAREFUL)
        return cls.of(rows.mean(axis=0), np.cov(rows.T).astype(np.float32))


def collapse(photos: Sequence[Photo], vectors: Vectors, closeness: Closeness) -> list[list[int]]:
    """Group `photos`, best first, with their `vectors` ([n, dim]); gives moments in the order of their best photos.

    A moment is the places of its photos, best first; every photo is in one.
    """
    moments: list[list[int]] = []
    found: dict[Hashable, list[int]] = {}  # a sign -> moments with a photo that has it
    for place, photo in enumerate(photos):
        moment = _moment(place, photos, vectors, closeness, moments, found)
        if moment is None:
            moment = len(moments)
            moments.append([])
        moments[moment].append(place)
        for sign, _ in _signs(photo):
            if moment not in (known := found.setdefault(sign, [])):
                known.append(moment)
    return moments


def related(photos: Sequence[Photo]) -> list[list[int]]:
    """Give the places of photos that may be of one moment, whatever they show: groups of two or more."""
    group = list(range(len(photos)))

    def head(place: int) -> int:
        while group[place] != place:
            group[place] = group[group[place]]
            place = group[place]
        return place

    first: dict[Hashable, int] = {}
    for place, photo in enumerate(photos):
        for sign, _ in _signs(photo):
            group[head(place)] = head(first.setdefault(sign, place))
    groups: dict[int, list[int]] = {}
    for place in range(len(photos)):
        groups.setdefault(head(place), []).append(place)
    return [places for places in groups.values() if len(places) > 1]


def stem(name: str) -> str:
    """Give what a file's name has in common with the names of its copies and edits; "" where that is too little.

    "IMG_1234-edited (1).jpg", "Copy of IMG_1234.JPG" and "IMG_1234.CR2" have "img_1234".
    """
    bare = _BEFORE.sub("", name.rpartition(".")[0] or name)
    bare = (_ADDED.sub("", bare) or bare).casefold().strip(" _-")
    return bare if len(bare) >= _SHORTEST and any(map(str.isdigit, bare)) else ""


def _moment(
    place: int,
    photos: Sequence[Photo],
    vectors: Vectors,
    closeness: Closeness,
    moments: list[list[int]],
    found: dict[Hashable, list[int]],
) -> int | None:
    """Give the first moment a photo belongs to."""
    photo = photos[place]
    for sign, kind in _signs(photo):
        for moment in found.get(sign, ()):
            if kind == "digest":
                return moment
            least = closeness.by_name if kind == "name" else closeness.by_time
            if float(vectors[moments[moment][0]] @ vectors[place]) < least:
                continue
            if kind == "name" or any(_soon(photo, photos[other]) for other in moments[moment]):
                return moment
    return None


def _signs(photo: Photo) -> Iterator[tuple[Hashable, str]]:
    """Give what photos of one moment have in common, the surest first, each with its kind."""
    yield photo.digest, "digest"
    folder, _, name = photo.path.rpartition("/")
    if core := stem(name):
        # Edits and RAW files often lie in a folder of their own below or beside.
        yield (folder, core), "name"
        yield (folder.rpartition("/")[0], core), "name"
    if (taken := seconds(photo.info.taken_at)) != UNDATED:
        # Two that are so near in time share one of the two slots each is in.
        slot = taken // BURST_SECONDS
        yield (photo.info.camera, slot), "time"
        yield (photo.info.camera, slot + 1), "time"


def _soon(one: Photo, other: Photo) -> bool:
    if one.info.camera != other.info.camera:
        return False
    times = seconds(one.info.taken_at), seconds(other.info.taken_at)
    return UNDATED not in times and abs(times[0] - times[1]) <= BURST_SECONDS
