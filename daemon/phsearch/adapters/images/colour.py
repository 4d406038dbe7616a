"""Every pixel mode Pillow can hand us, turned into 8-bit grey, RGB, or either with alpha.

Alpha stays until after the resize (Pillow weighs colours by it) and is then laid on white: pictures with transparency
are mostly drawings, logos and cut-outs made to lie on a page. Black, which dropping the channel often amounts to,
swallows dark line art whole; white loses only what its maker could not have seen either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    import numpy.typing as npt

_DIRECT = frozenset({"L", "RGB", "LA", "RGBA"})
_TWELVE_BITS = 1 << 12


def resizable(im: Image.Image) -> Image.Image:
    """Give `im` in a mode that survives a resize: L, RGB, LA or RGBA, eight bits a channel."""
    if "transparency" in im.info and im.mode in {"1", "L", "P", "RGB"}:
        return im.convert("RGBA")
    match im.mode:
        case mode if mode in _DIRECT:
            return im
        case "1" | "PA" | "RGBa" | "La":
            return im.convert({"1": "L", "La": "LA"}.get(im.mode, "RGBA"))
        case "I" | "F" | "I;16" | "I;16L" | "I;16B" | "I;16N":
            return Image.fromarray(_eight_bits(np.asarray(im)))
        case "LAB":
            return _from_lab(im)
        case _:  # P, CMYK, YCbCr, HSV
            return im.convert("RGB")


def opaque(im: Image.Image) -> Image.Image:
    """Give an RGB picture; what shows through it is white."""
    if im.mode in {"LA", "RGBA"}:
        im = im.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")
    return im.convert("RGB")


def _from_lab(im: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.applyTransform(im, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
    assert converted is not None  # it is None only in place
    return converted


def _eight_bits(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Scale deep greys to 0..255 by the range they were made in; Pillow's own convert("L") clips at 255: all white."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    full = _range(values.dtype, high)
    if low < 0 or high > full:  # heights, temperatures, radiances: no range is given, so the picture's own
        stretched: npt.NDArray[np.uint8] = np.interp(values, (low, max(high, low + 1e-9)), (0, 255)).astype(np.uint8)
        return stretched
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:  # noqa: PLR2004 - 16 bits: a table, no float copy
        table = np.round(np.arange(65536) * (255.0 / full)).clip(0, 255).astype(np.uint8)
        looked_up: npt.NDArray[np.uint8] = table[values]
        return looked_up
    scaled: npt.NDArray[np.uint8] = np.round(values * np.float32(255.0 / full)).astype(np.uint8)
    return scaled


def _range(dtype: np.dtype[Any], high: float) -> float:
    """Say which value is white, for a picture whose brightest pixel is `high`."""
    if dtype.kind == "f":
        return 1.0 if high <= 1 else 255.0
    if dtype.itemsize > 2 and high <= 255:  # noqa: PLR2004 - eight bits in a 32-bit container
        return 255.0
    return 4095.0 if high < _TWELVE_BITS else 65535.0  # scanners and microscopes store 12 bits in 16
