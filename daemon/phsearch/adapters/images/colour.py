"""Converts every pixel mode of Pillow to 8-bit grey or RGB, with or without alpha.

Alpha is kept until after the resize, since Pillow weights colours by it, and is then blended onto white. Pictures with
transparency are mostly drawings, logos and cut-outs that are made to lie on a page. A black background, which is often
the result of dropping the channel, hides dark line art completely. A white one hides only what its author could not
see either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    import numpy.typing as npt

_RESIZABLE_MODES = frozenset({"L", "RGB", "LA", "RGBA", "CMYK"})
_TWELVE_BIT_VALUES = 1 << 12


def to_resizable(im: Image.Image) -> Image.Image:
    """Return `im` in a mode that can be resized: L, RGB, LA, RGBA or CMYK, eight bits a channel."""
    if "transparency" in im.info and im.mode in {"1", "L", "P", "RGB"}:
        return im.convert("RGBA")
    match im.mode:
        case mode if mode in _RESIZABLE_MODES:
            return im
        case "1" | "PA" | "RGBa" | "La":
            return im.convert({"1": "L", "La": "LA"}.get(im.mode, "RGBA"))
        case "I" | "F" | "I;16" | "I;16L" | "I;16B" | "I;16N":
            return Image.fromarray(_to_eight_bits(np.asarray(im)))
        case "LAB":
            return _lab_to_rgb(im)
        case _:  # P, YCbCr, HSV
            return im.convert("RGB")


def flatten(im: Image.Image) -> Image.Image:
    """Return `im` as RGB, blended onto white where it is transparent."""
    if im.mode in {"LA", "RGBA"}:
        im = im.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")
    return im.convert("RGB")


def _lab_to_rgb(im: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.applyTransform(im, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
    assert converted is not None  # it is None only for a transform in place
    return converted


def _to_eight_bits(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Scale deep greys to 0..255 by their original range; Pillow's own convert("L") clips at 255: all white."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    white = _white_level(values.dtype, high)
    if low < 0 or high > white:  # heights, temperatures or radiances: no range is known, so use the picture's own
        stretched: npt.NDArray[np.uint8] = np.interp(values, (low, max(high, low + 1e-9)), (0, 255)).astype(np.uint8)
        return stretched
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:  # noqa: PLR2004 - 16 bits: a table, no float copy
        table = np.round(np.arange(65536) * (255.0 / white)).clip(0, 255).astype(np.uint8)
        looked_up: npt.NDArray[np.uint8] = table[values]
        return looked_up
    scaled: npt.NDArray[np.uint8] = np.round(values * np.float32(255.0 / white)).astype(np.uint8)
    return scaled


def _white_level(dtype: np.dtype[Any], high: float) -> float:
    """Return the value of white in a picture whose brightest pixel is `high`."""
    if dtype.kind == "f":
        return 1.0 if high <= 1 else 255.0
    if dtype.itemsize > 2 and high <= 255:  # noqa: PLR2004 - eight bits in a 32-bit container
        return 255.0
    return 4095.0 if high < _TWELVE_BIT_VALUES else 65535.0  # scanners and microscopes store 12 bits in 16
