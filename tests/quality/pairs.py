"""Does similarity mean duplication? Pairs of different photos, and of a photo and its edit, by the model's similarity.

Different photos are put into invented series, each photo three seconds after the last: the hardest case for
a rule that uses the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from phsearch.domain.search.near_duplicates import SimilarityThresholds, collapse
from support.photos import photo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from phsearch.domain.calibration.captioned import CaptionedPhoto
    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.types import Photo, Vectors
    from quality.embed import Embedder

_EDITED = 200
_COSINES = (0.7, 0.8, 0.85, 0.9, 0.95)
_SHOOT, _SECONDS = 20, 3

SAME_NAME = (
    ("named IMG_1 and IMG_1-edited, without dates", ("/a/IMG_1.jpg", "/a/IMG_1-edited.jpg"), None),
    ("the same with dates a year apart", ("/a/IMG_1.jpg", "/a/IMG_1-edited.jpg"), (2023, 2024)),
    ("named IMG_1 in folders side by side", ("/p/a/IMG_1.jpg", "/p/b/IMG_1.jpg"), None),
    ("named IMG_1 (1) and IMG_1 (2)", ("/a/IMG_1 (1).jpg", "/a/IMG_1 (2).jpg"), None),
)
"""Misleading names: two file names, and the years of the two photos."""


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Return the photo without a share of its width and height, cut off evenly."""
    width, height = image.size
    left, top = round(width * share / 2), round(height * share / 2)
    return image.crop((left, top, width - left, height - top))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "compressed hard": lambda image: image,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "cropped by 10 %": lambda image: cropped(image, 0.1),
    "cropped by 25 %": lambda image: cropped(image, 0.25),
    "cropped by 40 %": lambda image: cropped(image, 0.4),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.4),
    "more colourful": lambda image: ImageEnhance.Color(image).enhance(1.7),
    "black and white": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "turned by 3 degrees": lambda image: cropped(image.rotate(3, Image.Resampling.BICUBIC), 0.1),
}


def table(
    image_worker: Embedder, calibration: Calibration, photos: Sequence[CaptionedPhoto], folder: Path
) -> Iterator[str]:
    """Return the lines of the table; edits are written to `folder`."""
    paths = [each.path for each in photos]
    vectors = image_worker.photos(paths)
    close = SimilarityThresholds.known(calibration, vectors)
    cosines = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    from_on = f"close by name from {close.by_name:.2f} on, by time from {close.by_time:.2f}"
    yield f"moments: {len(photos)} different photos, {len(cosines):,} pairs; {from_on}"
    counts = ", ".join(f"{int((cosines >= least).sum())} from {least}" for least in _COSINES)
    yield f"pairs that closeness alone would take for duplicates: {counts}"
    false = f"{_false(vectors, close)} of {_inside(len(photos)):,}"
    yield f"pairs collapsed though they are different photos, {_SHOOT} within a minute: {false}"
    for what, names, years in SAME_NAME:
        pairs = len(vectors) // 2
        yield f"pairs of different photos collapsed, {what}: {_misled(vectors, close, names, years)} of {pairs}"
    yield f"{'edit':<22} lowest 5 %  median  collapsed by name  by time"
    for name, edit in EDITS.items():
        edited = image_worker.photos([_written(path, name, edit, folder) for path in paths[:_EDITED]])
        found = (edited * vectors[: len(edited)]).sum(axis=1)
        by_name, by_time = (100 * float((found >= least).mean()) for least in (close.by_name, close.by_time))
        low, middle = np.quantile(found, (0.05, 0.5))
        yield f"{name:<22} {low:>10.2f} {middle:>7.2f} {by_name:>16.1f} % {by_time:>6.1f} %"


def _false(vectors: Vectors, close: SimilarityThresholds) -> int:
    """Return the number of pairs of different photos, taken directly after each other, in one group."""
    pairs = 0
    for start in range(0, len(vectors), _SHOOT):
        part = vectors[start : start + _SHOOT]
        pairs += _collapsed([_shot(start, number) for number in range(len(part))], part, close)
    return pairs


def _misled(
    vectors: Vectors, close: SimilarityThresholds, names: tuple[str, str], years: tuple[int, int] | None
) -> int:
    """Return the number of pairs of different photos in one group that have these names and years, or no date."""
    taken = [f"{year}-01-01T10:00:00" for year in years] if years else [None, None]
    two = [photo(name, taken_at=at, camera="one") for name, at in zip(names, taken, strict=True)]
    return sum(_collapsed(two, vectors[at : at + 2], close) for at in range(0, len(vectors) - 1, 2))


def _collapsed(photos: Sequence[Photo], vectors: Vectors, close: SimilarityThresholds) -> int:
    """Return the number of pairs that are in one group."""
    row = {each.path: at for at, each in enumerate(photos)}
    moments = collapse(photos, lambda paths: vectors[[row[path] for path in paths]], close)
    return sum(len(moment) * (len(moment) - 1) // 2 for moment in moments)


def _inside(count: int) -> int:
    return count // _SHOOT * (_SHOOT * (_SHOOT - 1) // 2)


def _shot(shoot: int, number: int) -> Photo:
    seconds = number * _SECONDS
    at = f"2024-01-01T10:{seconds // 60:02}:{seconds % 60:02}"
    return photo(f"/shoot{shoot}/{'abcdefghijklmnopqrst'[number]}.jpg", taken_at=at, camera="one")


def _written(path: Path, name: str, edit: Callable[[Image.Image], Image.Image], folder: Path) -> Path:
    out = folder / "edits" / f"{path.stem}-{name.replace(' ', '-').replace('%', '')}.jpg"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        edit(Image.open(path).convert("RGB")).save(out, quality=40 if name == "compressed hard" else 88)
    return out
