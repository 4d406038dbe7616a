"""The model's resize and crop as geometry: which part of the photo is shown where in the model's picture.

open_clip resizes the whole photo and then discards most of a panorama. Here the crop is known first, and only the part
that is kept is resized, directly from a draft or a thumbnail: the same rounding and the same filter with fewer pixels.
A photo of 65,535 x 1 never becomes a picture of 14,679,840 x 224.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phsearch.domain.types import Preprocess

Dimensions = tuple[int, int]
"""Width and height."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""

# What EXIF's eight orientations do to the stored picture. Orientations from 5 also swap its sides.
_MIRRORED_X = frozenset({2, 3, 7, 8})
_MIRRORED_Y = frozenset({3, 4, 6, 7})
_FIRST_SWAPPED = 5


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a displayed photo goes in the model's picture.

    `box` of the photo is resized to `size` and pasted at `offset`; `whole` is the size of the resize without the crop.
    """

    box: Box
    size: Dimensions
    offset: Dimensions
    whole: Dimensions


def place(displayed: Dimensions, preprocess: Preprocess) -> Placement:
    """Return where a photo of this size goes, with the rounding of open_clip and torchvision."""
    width, height = displayed
    target = (preprocess.width, preprocess.height)
    match preprocess.mode:
        case "squash":
            whole = target
        case "longest":
            whole = _downscaled(displayed, max(height / target[1], width / target[0]))
        case "inside":
            whole = _downscaled(displayed, max(height / target[1], width / target[0], 1))
        case "shortest" if target[0] == target[1]:  # torchvision's Resize truncates the long side
            side, short = target[0], min(displayed)
            whole = (side, int(side * height / width)) if width == short else (int(side * width / height), side)
        case "shortest":  # open_clip's ResizeKeepRatio rounds it
            whole = _downscaled(displayed, min(height / target[1], width / target[0]))
    left, right, x = _crop_or_pad(whole[0], target[0], width)
    top, bottom, y = _crop_or_pad(whole[1], target[1], height)
    out = (min(whole[0], target[0]), min(whole[1], target[1]))
    return Placement((left, top, right, bottom), out, (x, y), whole)


def to_stored(box: Box, displayed: Dimensions, orientation: int, scale: tuple[float, float]) -> Box:
    """Return `box` of the displayed photo as a box of the picture in the file, which is `scale` times as large."""
    left, top, right, bottom = box
    width, height = displayed
    if swaps_sides(orientation):
        left, top, right, bottom = top, left, bottom, right
        width, height = height, width
    if orientation in _MIRRORED_X:
        left, right = width - right, width - left
    if orientation in _MIRRORED_Y:
        top, bottom = height - bottom, height - top
    return left * scale[0], top * scale[1], right * scale[0], bottom * scale[1]


def swaps_sides(orientation: int) -> bool:
    """Whether this EXIF orientation swaps width and height."""
    return orientation >= _FIRST_SWAPPED


def rotated(size: Dimensions, orientation: int) -> Dimensions:
    """Return the size after the rotation upright, or before it: the operation is its own inverse."""
    return (size[1], size[0]) if swaps_sides(orientation) else size


def _downscaled(size: Dimensions, ratio: float) -> Dimensions:
    # The height of a 65,535 x 1 photo rounds to 0. open_clip fails there; one row is closer to the truth.
    return max(1, round(size[0] / ratio)), max(1, round(size[1] / ratio))


def _crop_or_pad(whole: int, target: int, full: int) -> tuple[float, float, int]:
    """Crop one axis at its centre or pad it: return the visible span of the photo and its offset in the picture."""
    if whole <= target:
        return 0.0, float(full), (target - whole) // 2
    start = round((whole - target) / 2.0)
    return start * full / whole, (start + target) * full / whole, 0
