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
from typing import TYPE_CHECKING, Self

import numpy as np

from phsearch.domain.search.columns import UNDATED, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.types import Photo, Vectors

    VectorsOf = Callable[[Sequence[str]], Vectors]
    """Paths to unit vectors, [k, dim]; zeros for one that is not known."""

BURST_SECONDS = 10
MAX_GROUP = 20
"""Moments with one sign in common. Where there are more, as all photos of a camera without a clock have the same time,
the sign tells nothing: who comes later is compared with these alone, and the work stays in proportion to the photos.
"""
_BY_NAME, _BY_TIME = 2.5, 5.0
"""Standard deviations: a sure name says much, so that a crop in black and white counts; seconds say less."""
_MOST = 0.8
"""Of the way from what photos in general have to the same photo: five deviations may be more than there is room for."""
_CAREFUL = (0.8, 0.9)
"""Cosines where nobody knows what photos in general have."""
_FEWEST, _ENOUGH = 30, 200
_ADDED = re.compile(
    r"""( [ _-]* (?: \(\d{1,3}\) | ~\d{1,3} | copy(?:[ _-]?\d{1,3})? | kopie | edit(?:ed)? | bearbeitet | crop(?:ped)?
        | final | hdr | bw | small | large | burst\d* | cover | collage | enhanced | effects ) )+ $""",
    re.IGNORECASE | re.VERBOSE,
)
_BEFORE = re.compile(r"^(?:(?:copy of|kopie von|edited)[ _-]+)+", re.IGNORECASE)
_IPHONE = re.compile(r"^img_e(?=\d{4}$)")
_COUNTER = re.compile(r"\(\d{1,3}\)")
_SHORTEST = 3


@dataclass(frozen=True, slots=True)
class SimilarityThresholds:
    """From which cosine on two photos are close: `by_name` if their names surely are related, else `by_time`."""

    by_name: float
    by_time: float

    @classmethod
    def above(cls, mean: float, spread: float) -> Self:
        """Give it from mean and standard deviation of the cosines of two photos."""
        room = mean + _MOST * (1 - mean)
        return cls(min(mean + _BY_NAME * spread, room), min(mean + _BY_TIME * spread, room))

    @classmethod
    def of(cls, mean: Vectors, covariance: Vectors) -> Self:
        """Give it from mean [dim] and covariance [dim, dim] of photos in general: two of them have known cosines."""
        spread = float(np.sqrt((covariance * covariance).sum() + 2 * mean @ covariance @ mean))
        return cls.above(float(mean @ mean), spread)

    @classmethod
    def known(cls, calibration: Calibration, rows: Vectors) -> Self:
        """Give it from a model's calibration, or else from some photos of the library, [n, dim]."""
        if calibration.mean is not None and calibration.covariance is not None:
            return cls.of(calibration.mean, calibration.covariance)
        if len(rows) < _FEWEST:
            return cls(*_CAREFUL)
        few = rows[:: -(-len(rows) // _ENOUGH)]
        cosines = (few @ few.T)[np.triu_indices(len(few), 1)]
        return cls.above(float(cosines.mean()), float(cosines.std()))


class NearDuplicateGrouper:
    """Photos as they fall into moments, added best first. `groups` has their places, best first in each."""

    def __init__(self, thresholds: SimilarityThresholds, vectors: VectorsOf) -> None:
        self.groups: list[list[int]] = []
        self._closeness = thresholds
        self._vectors = vectors
        self._count = 0
        self._best: list[str] = []
        self._same: dict[bytes, int] = {}
        # What has a sign, by moment: the name's first photo, or the first and the last time.
        self._named: dict[Hashable, dict[int, _PhotoKey]] = {}
        self._timed: dict[Hashable, dict[int, tuple[int, int]]] = {}

    def add_photo(self, photo: Photo) -> None:
        """Add the next best one."""
        name, taken = _PhotoKey.of(photo), seconds(photo.info.taken_at)
        moment = self._same.get(photo.digest)
        if moment is None:
            moment = self._closest(photo, name, taken)
        if moment is None:
            moment = len(self.groups)
            self.groups.append([])
            self._best.append(photo.path)
        self.groups[moment].append(self._count)
        self._count += 1
        self._same.setdefault(photo.digest, moment)
        for sign in name.group_keys():
            named = self._named.setdefault(sign, {})
            if len(named) < MAX_GROUP:
                named.setdefault(moment, name)
        for sign in _slots(photo, taken):
            timed = self._timed.setdefault(sign, {})
            if moment in timed or len(timed) < MAX_GROUP:
                first, last = timed.get(moment, (taken, taken))
                timed[moment] = min(first, taken), max(last, taken)

    def _closest(self, photo: Photo, name: _PhotoKey, taken: int) -> int | None:
        """Give the moment whose best photo is the closest, of those that the photo is related and close to."""
        least: dict[int, float] = {}
        for sign in _slots(photo, taken):
            for moment, (first, last) in self._timed.get(sign, {}).items():
                # Those of one sign lie within twice the seconds: who comes between two of them is near to one.
                if first - BURST_SECONDS <= taken <= last + BURST_SECONDS:
                    least[moment] = self._closeness.by_time
        for sign in name.group_keys():
            for moment, other in self._named.get(sign, {}).items():
                if name.surely(other):
                    least[moment] = self._closeness.by_name
                else:
                    least.setdefault(moment, self._closeness.by_time)
        if not least:
            return None
        own, *others = self._vectors([photo.path, *(self._best[moment] for moment in least)])
        found = zip(np.stack(others) @ own, least, strict=True)
        close = [(-float(cosine), moment) for cosine, moment in found if cosine >= least[moment]]
        return min(close)[1] if close else None


def collapse(photos: Sequence[Photo], vectors: VectorsOf, thresholds: SimilarityThresholds) -> list[list[int]]:
    """Group `photos`, best first; gives moments in the order of their best photos.

    A moment is the places of its photos, best first; every photo is in one.
    """
    moments = NearDuplicateGrouper(thresholds, vectors)
    for photo in photos:
        moments.add_photo(photo)
    return moments.groups


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
        for sign in (photo.digest, *_PhotoKey.of(photo).group_keys(), *_slots(photo, seconds(photo.info.taken_at))):
            group[head(place)] = head(first.setdefault(sign, place))
    groups: dict[int, list[int]] = {}
    for place in range(len(photos)):
        groups.setdefault(head(place), []).append(place)
    return [places for places in groups.values() if len(places) > 1]


def stem(name: str) -> str:
    """Give what a file's name has in common with the names of its copies and edits; "" where that is too little.

    "IMG_1234-edited (1).jpg", "Copy of IMG_1234.JPG", "IMG_E1234.HEIC" and "IMG_1234.CR2" have "img_1234".
    """
    bare = _BEFORE.sub("", _bare(name))
    bare = (_ADDED.sub("", bare) or bare).casefold().strip(" _-")
    bare = _IPHONE.sub("img_", bare)
    return bare if len(bare) >= _SHORTEST and any(map(str.isdigit, bare)) else ""


@dataclass(frozen=True, slots=True)
class _PhotoKey:
    """What a photo's name and place say, and how surely: a number in parentheses may count copies or a whole album."""

    folder: str
    stem: str
    counted: bool
    taken: int

    @classmethod
    def of(cls, photo: Photo) -> Self:
        folder, _, name = photo.path.rpartition("/")
        counted = _COUNTER.search(_bare(name)) is not None
        return cls(folder, stem(name), counted, seconds(photo.info.taken_at))

    def group_keys(self) -> Iterator[Hashable]:
        if self.stem:
            # Edits and RAW files often lie in a folder of their own below or beside.
            yield self.folder, self.stem
            yield self.folder.rpartition("/")[0], self.stem

    def surely(self, other: _PhotoKey) -> bool:
        """Tell whether one is made of the other: cameras begin anew to count, so times that differ say no."""
        if self.counted or other.counted:
            return False
        if UNDATED in (self.taken, other.taken):
            return self.folder == other.folder
        return abs(self.taken - other.taken) <= BURST_SECONDS


def _slots(photo: Photo, taken: int) -> Iterator[Hashable]:
    """Give the two slots of time that a photo is in: two that are near to each other share one."""
    if taken != UNDATED:
        slot = taken // BURST_SECONDS
        yield photo.info.camera, slot
        yield photo.info.camera, slot + 1


def _bare(name: str) -> str:
    return name.rpartition(".")[0] or name
