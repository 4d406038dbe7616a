"""Near-duplicates: bursts, edits, copies, a RAW and its JPEG. The best of each group is shown, the others are counted.

It is not enough that two photos look alike: among 580 different photos, 32 pairs are closer than half of all photos are
to their own crop (`make quality`). So they must be related, too. They have the same bytes, or were taken by the same
camera within seconds, or their names in the same place have a common stem. And each must be close to the best photo of
its group, not only to a neighbour, or an afternoon at the beach would be one group.

The necessary cosine depends on the model: it is counted in standard deviations above that of two photos in general.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from phsearch.domain.edited_names import COPY, COPY_OF, EDITED
from phsearch.domain.search.columns import UNDATED, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.types import Photo, Vectors

    VectorsOf = Callable[[Sequence[str]], Vectors]
    """Paths to unit vectors, [k, dim]; zeros for one that is not known."""

BURST_SECONDS = 10
MAX_GROUP = 20
"""At most so many groups are compared by one key. A key that more groups share says nothing: all photos of a camera
without a clock, for example, have the same time. So the work stays proportional to the number of photos.
"""
_NAME_DEVIATIONS, _TIME_DEVIATIONS = 2.5, 5.0
"""Standard deviations: related names say much, so a crop in black and white counts; the same seconds say less."""
_MAX_SHARE = 0.8
"""A threshold is at most this far from the mean cosine to one: five deviations may exceed one."""
_STRICT = (0.8, 0.9)
"""Cosines for a few photos and a model without a calibration: those of photos in general are unknown."""
_MIN_PHOTOS, _SAMPLE = 30, 200
_EDITS = (*EDITED, "crop", "cropped", "final", "hdr", "bw", "small", "large", "cover", "collage", "enhanced", "effects")
_ADDED = re.compile(
    rf"(?:[ _–—-]*(?:\(\d{{1,3}}\)|~\d{{1,3}}|(?:{'|'.join(COPY)})(?:[ _-]?\d{{1,3}})?"  # noqa: RUF001
    rf"|{'|'.join(_EDITS)}|burst\d*))+$",
    re.IGNORECASE,
)
_ENDS = (*_EDITS, *COPY, "burst")
_COUNTED = " _-~()0123456789"
_COPIES = re.compile(
    r"(?:^|[/ _.-])(?:backups?|cop(?:y|ies)|duplicates?|downloads?|te?mp|old|kopien?|sicherung(?:en)?)(?=$|[/ _.-])",
    re.IGNORECASE,
)
"""In the path of a folder that holds copies rather than originals."""
_BEFORE = re.compile(rf"^(?:(?:{'|'.join(COPY_OF)})[ _-]+)+", re.IGNORECASE)
_IPHONE = re.compile(r"^img_e(?=\d{4}$)")
_COUNTER = re.compile(r"\(\d{1,3}\)")
_MIN_STEM = 3
_DAY = len("2023-06-01")


@dataclass(frozen=True, slots=True)
class SimilarityThresholds:
    """The lowest cosine of near-duplicates: `by_name` if their names are surely related, else `by_time`."""

    by_name: float
    by_time: float

    @classmethod
    def above(cls, mean: float, spread: float) -> Self:
        """Return the thresholds for the mean and standard deviation of the cosines of two photos."""
        limit = mean + _MAX_SHARE * (1 - mean)
        return cls(
            by_name=min(mean + _NAME_DEVIATIONS * spread, limit), by_time=min(mean + _TIME_DEVIATIONS * spread, limit)
        )

    @classmethod
    def of(cls, mean: Vectors, covariance: Vectors) -> Self:
        """Return the thresholds for mean [dim] and covariance [dim, dim] of photos in general."""
        spread = float(np.sqrt((covariance * covariance).sum() + 2 * mean @ covariance @ mean))
        return cls.above(float(mean @ mean), spread)

    @classmethod
    def known(cls, calibration: Calibration, rows: Vectors) -> Self:
        """Return the thresholds by a model's calibration, or else by some photos of the library, [n, dim]."""
        if calibration.mean is not None and calibration.covariance is not None:
            return cls.of(calibration.mean, calibration.covariance)
        if len(rows) < _MIN_PHOTOS:
            return cls(*_STRICT)
        sample = rows[:: -(-len(rows) // _SAMPLE)]
        cosines = (sample @ sample.T)[np.triu_indices(len(sample), 1)]
        return cls.above(float(cosines.mean()), float(cosines.std()))


class NearDuplicateGrouper:
    """Groups photos, which are added best first. Each of `groups` holds the places of its photos, best first."""

    def __init__(self, thresholds: SimilarityThresholds, vectors: VectorsOf) -> None:
        self.groups: list[list[int]] = []
        self._thresholds = thresholds
        self._vectors = vectors
        self._count = 0
        self._best_paths: list[str] = []
        self._group_of_digest: dict[bytes, int] = {}
        # Key -> groups that have it, each with the name of its first photo, or with its first and last time.
        self._by_name: dict[Hashable, dict[int, _PhotoName]] = {}
        self._by_time: dict[Hashable, dict[int, tuple[int, int]]] = {}

    def add_photo(self, photo: Photo) -> None:
        """Add the next best photo."""
        name, taken = _PhotoName.of(photo), _second_taken(photo)
        group = self._group_of_digest.get(photo.digest)
        if group is None:
            group = self._closest_group(photo, name, taken)
        if group is None:
            group = len(self.groups)
            self.groups.append([])
            self._best_paths.append(photo.path)
        self.groups[group].append(self._count)
        self._count += 1
        self._group_of_digest.setdefault(photo.digest, group)
        for key in name.name_keys():
            names = self._by_name.setdefault(key, {})
            if len(names) < MAX_GROUP:
                names.setdefault(group, name)
        for key in _time_keys(photo, taken):
            times = self._by_time.setdefault(key, {})
            if group in times or len(times) < MAX_GROUP:
                first, last = times.get(group, (taken, taken))
                times[group] = min(first, taken), max(last, taken)

    def _closest_group(self, photo: Photo, name: _PhotoName, taken: int) -> int | None:
        """Return the group with the closest best photo, of those that the photo is related and close to."""
        thresholds: dict[int, float] = {}
        for key in _time_keys(photo, taken):
            for group, (first, last) in self._by_time.get(key, {}).items():
                # Photos with one key lie within twice the seconds: a photo between two of them is near one of them.
                if first - BURST_SECONDS <= taken <= last + BURST_SECONDS:
                    thresholds[group] = self._thresholds.by_time
        for key in name.name_keys():
            for group, other in self._by_name.get(key, {}).items():
                if name.is_surely_related(other):
                    thresholds[group] = self._thresholds.by_name
                else:
                    thresholds.setdefault(group, self._thresholds.by_time)
        if not thresholds:
            return None
        vector, *others = self._vectors([photo.path, *(self._best_paths[group] for group in thresholds)])
        cosines = zip(np.stack(others) @ vector, thresholds, strict=True)
        close = [(-float(cosine), group) for cosine, group in cosines if cosine >= thresholds[group]]
        return min(close)[1] if close else None


def collapse(photos: Sequence[Photo], vectors: VectorsOf, thresholds: SimilarityThresholds) -> list[list[int]]:
    """Return the groups of `photos`, which come best first, in the order of their best photos.

    A group is the places of its photos, best first; every photo is in one group.
    """
    grouper = NearDuplicateGrouper(thresholds, vectors)
    for photo in photos:
        grouper.add_photo(photo)
    return grouper.groups


def related(photos: Sequence[Photo]) -> list[list[int]]:
    """Return the places of photos that are related, whatever they show, in groups of two or more."""
    parent = list(range(len(photos)))  # a union-find forest

    def find(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[Hashable, int] = {}
    for place, photo in enumerate(photos):
        times = _time_keys(photo, _second_taken(photo))
        for key in (photo.digest, *_PhotoName.of(photo).name_keys(), *times):
            parent[find(place)] = find(first.setdefault(key, place))
    groups: dict[int, list[int]] = {}
    for place in range(len(photos)):
        groups.setdefault(find(place), []).append(place)
    return [places for places in groups.values() if len(places) > 1]


def stem(name: str) -> str:
    """Return the part of a file's name that its copies and edits share, "" if that part is too short.

    It is "img_1234" for "IMG_1234-edited (1).jpg", "Copy of IMG_1234.JPG", "IMG_E1234.HEIC" and "IMG_1234.CR2".
    """
    bare = _BEFORE.sub("", _bare(name))
    bare = (_without_additions(bare) or bare).casefold().strip(" _-")
    bare = _IPHONE.sub("img_", bare)
    return bare if len(bare) >= _MIN_STEM and any(map(str.isdigit, bare)) else ""


def is_named_as_copy(path: str) -> bool:
    """Whether a file or a folder above it is named as programs and people name copies: "Copy of x", "backup/x"."""
    folder, _, name = path.rpartition("/")
    bare = _bare(name)
    return bool(_BEFORE.match(bare) or _without_additions(bare) != bare or _COPIES.search(folder))


def _without_additions(bare: str) -> str:
    """Return a name without what copies and edits have at its end, "" if nothing else is in it."""
    # Most names have nothing of it, and the expression is tried at each of their characters.
    if bare[-1:] != ")" and "~" not in bare[-4:] and not bare.rstrip(_COUNTED).casefold().endswith(_ENDS):
        return bare
    return _ADDED.sub("", bare)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PhotoName:
    """The name of a photo and when it was taken. A number in parentheses may count copies, or a whole album."""

    folder: str
    stem: str
    counted: bool
    taken: int

    @classmethod
    def of(cls, photo: Photo) -> Self:
        folder, _, name = photo.path.rpartition("/")
        counted = _COUNTER.search(_bare(name)) is not None
        return cls(folder=folder, stem=stem(name), counted=counted, taken=_second_taken(photo))

    def name_keys(self) -> Iterator[Hashable]:
        if self.stem:
            # Edits and RAW files are often in a separate folder, below or beside.
            yield self.folder, self.stem
            yield self.folder.rpartition("/")[0], self.stem

    def is_surely_related(self, other: _PhotoName) -> bool:
        """Whether one is made from the other. Cameras restart their numbers, so the times must agree."""
        if self.counted or other.counted:
            return False
        if UNDATED in (self.taken, other.taken):
            return self.folder == other.folder
        return abs(self.taken - other.taken) <= BURST_SECONDS


def _second_taken(photo: Photo) -> int:
    """Return when a photo was taken, UNDATED if only the day is known: a day full of photos is no burst."""
    taken_at = photo.taken_at or ""
    return seconds(taken_at) if len(taken_at) > _DAY else UNDATED


def _time_keys(photo: Photo, taken: int) -> Iterator[Hashable]:
    """Yield the two slots of time that a photo is in: photos within the seconds of a burst share one."""
    if taken != UNDATED:
        slot = taken // BURST_SECONDS
        yield photo.info.camera, slot
        yield photo.info.camera, slot + 1


def _bare(name: str) -> str:
    bare = name.rpartition(".")[0] or name
    return bare if bare.isascii() else unicodedata.normalize("NFC", bare)
