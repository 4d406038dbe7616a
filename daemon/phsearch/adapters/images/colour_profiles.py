"""Applies the ICC profile of a photo: what its numbers mean as colours, as viewers show it.

A photo in Adobe RGB looks dull without it, one in ProPhoto RGB nearly grey. With mini, 24 photos had a cosine of at
least 0.977 and 0.963 with their sRGB form without the profile, and of 0.9997 and 0.997 with it. A profile may come from
a stranger, so one that is damaged, of another colour space or unreasonably large counts as none.
"""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms, ImageFilter

_MAX_BYTES = 2 << 20
_KEPT = 16
_GRID = 33
"""Points of the table on each axis: 33 are half a level from the exact result, and as fast as 17."""
_MIN_CHANGE = 1.0
"""Levels of 255, on the mean: sRGB itself comes in a hundred profiles, and cameras name it in most photos."""


class ProfileConverter:
    """Converts pictures to sRGB. Any number of threads may share it.

    LittleCMS needs some 20 ms to prepare a conversion and as long for each picture: as much as decoding a photo. So it
    makes one table of colours for each profile, and Pillow applies that.
    """

    def __init__(self) -> None:
        self._tables = functools.lru_cache(_KEPT)(_make_table)

    def to_srgb(self, im: Image.Image, profile: object) -> Image.Image:
        """Return `im`, RGB or CMYK, in sRGB; unchanged where there is no profile that fits."""
        if not isinstance(profile, bytes) or not 0 < len(profile) <= _MAX_BYTES:
            return im
        if im.mode == "RGB":
            table = self._tables(profile)
            return im if table is None else im.filter(table)
        return _convert(im, profile) or im


def _make_table(profile: bytes) -> ImageFilter.Color3DLUT | None:
    """Return the table for a profile of RGB; None where it is none, or changes nothing that is seen."""
    axis = np.linspace(0, 255, _GRID).round().astype(np.uint8)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    colours = np.stack([red, green, blue], -1).reshape(1, -1, 3)
    converted = _convert(Image.fromarray(colours), profile)
    if converted is None:
        return None
    values = np.asarray(converted)
    if np.abs(values.astype(int) - colours).mean() < _MIN_CHANGE:
        return None
    return ImageFilter.Color3DLUT(_GRID, values.reshape(-1).astype(np.float32) / 255, _copy_table=False)


def _convert(im: Image.Image, profile: bytes) -> Image.Image | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(
            im, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
