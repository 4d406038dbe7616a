"""The model's own resize and crop, as geometry: which part of the photo lands where in the model's picture.

open_clip resizes the whole photo and then throws most of a panorama away. Here the crop is known first and only the
part that survives is resized, straight from a draft or a thumbnail: same rounding, same filter, fewer pixels, and a
65,535 x 1 photo does not become a 14,679,840 x 224 one on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phsearch.domain.types import Preprocess

Size = tuple[int, int]
Box = tuple[float, float, float, float]

# What EXIF's eight orientations do to the stored picture; 5 to 8 also swap its sides.
_MIRRORED_X = frozenset({2, 3, 7, 8})
_MIRRORED_Y = frozenset({3, 4, 6, 7})
_FIRST_SIDEWAYS = 5


@dataclass(frozen=True, slots=True)
class Fit:
    """A photo as displayed: `box` of it, resized to `size`, is pasted at `offset`; `whole` is the uncropped resize."""

    box: Box
    size: Size
    offset: Size
    whole: Size


def plan(size: Size, preprocess: Preprocess) -> Fit:
    """Lay a photo of `size` (as displayed) into the model's picture, rounding as open_clip and torchvision do."""
    width, height = size
    target = (preprocess.width, preprocess.height)
    match preprocess.mode:
        case "squash":
            whole = target
        case "longest":
            whole = _scaled(size, max(height / target[1], width / target[0]))
        case "inside":
            whole = _scaled(size, max(height / target[1], width / target[0], 1))
        case "shortest" if target[0] == target[1]:  # torchvision's Resize truncates the long side
            side, short = target[0], min(size)
            whole = (side, int(side * height / width)) if width == short else (int(side * width / height), side)
        case "shortest":  # open_clip's ResizeKeepRatio rounds it
            whole = _scaled(size, min(height / target[1], width / target[0]))
    left, right, x = _window(whole[0], target[0], width)
    top, bottom, y = _window(whole[1], target[1], height)
    out = (min(whole[0], target[0]), min(whole[1], target[1]))
    return Fit((left, top, right, bottom), out, (x, y), whole)


def stored(box: Box, displayed: Size, orientation: int, scale: tuple[float, float]) -> Box:
    """Find `box` of the displayed photo in the picture as the file stores it, which is `scale` times as large."""
    left, top, right, bottom = box
    width, height = displayed
    if sideways(orientation):
        left, top, right, bottom = top, left, bottom, right
        width, height = height, width
    if orientation in _MIRRORED_X:
        left, right = width - right, width - left
    if orientation in _MIRRORED_Y:
        top, bottom = height - bottom, height - top
    return left * scale[0], top * scale[1], right * scale[0], bottom * scale[1]


def sideways(orientation: int) -> bool:
    """Say whether this EXIF orientation swaps width and height."""
    return orientation >= _FIRST_SIDEWAYS


def turned(size: Size, orientation: int) -> Size:
    """Give the size after (or before: it is its own inverse) turning upright."""
    return (size[1], size[0]) if sideways(orientation) else size


def _scaled(size: Size, ratio: float) -> Size:
    # A 65,535 x 1 photo rounds to a height of nothing; open_clip fails there, one row is closer to the truth.
    return max(1, round(size[0] / ratio)), max(1, round(size[1] / ratio))


def _window(whole: int, target: int, full: int) -> tuple[float, float, int]:
    """Crop one axis centrally or pad it: the span of the photo that is seen, and where it starts in the picture."""
    if whole <= target:
        return 0.0, float(full), (target - whole) // 2
    start = round((whole - target) / 2.0)
    return start * full / whole, (start + target) * full / whole, 0
