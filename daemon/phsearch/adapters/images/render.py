"""Pixels for the model: decoded no larger than needed, the chosen part resized, turned upright, on its canvas.

The turn comes after the resize: a resize works on rows and columns alike, so the result differs by rounding only, and
turning 224 x 224 pixels costs nothing where turning twelve million costs 150 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, JpegImagePlugin

from phsearch.adapters.images import geometry

if TYPE_CHECKING:
    import numpy.typing as npt

    from phsearch.adapters.images.geometry import Box, Size
    from phsearch.domain.types import Pixels, Preprocess

# Every pixel mode Pillow can hand us, turned into 8-bit grey, RGB, or either with alpha.
#
# Alpha stays until after the resize (Pillow weighs colours by it) and is then laid on white: pictures with transparency
# are mostly drawings, logos and cut-outs made to lie on a page. Black, which dropping the channel often amounts to,
# swallows dark line art whole; white loses only what its maker could not have seen either.


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


# Drafts and thumbnails are taken at twice the size the model needs or more. Cosine of the image tower's features with
# those of the full decode (EfficientNet-Lite2, 260 px), lowest and median: JPEG draft 0.9899 / 0.998 at 1x, 0.9972 /
# 0.9993 at 1.5x, 0.9991 / 0.9997 at 2x; a camera's HEIC thumbnail 0.958 at 1x, 0.991 at 1.5x, 0.993 at 2x.
_MARGIN = 2.0

# Pillow averages whole blocks down to this many times the size wanted before it filters: 50 -> 14 ms for 12 megapixels
# that no draft made smaller (PNG, WebP, HEIC), cosine 0.9994 / 0.9998 by the same measure.
_REDUCING_GAP = 3.0

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decoded(im: Image.Image, displayed: Size, orientation: int, preprocess: Preprocess) -> Pixels:
    """Decode `im`, `displayed` large once upright, to [height, width, 3] uint8, contiguous, as the model wants it."""
    chosen = geometry.plan(displayed, preprocess)
    drafted = _draft(im, geometry.turned(chosen.whole, orientation))
    im.load()
    across, down = drafted[2:] if drafted else im.size
    full = geometry.turned(displayed, orientation)
    box = geometry.stored(chosen.box, displayed, orientation, (across / full[0], down / full[1]))
    source = resizable(im)
    # Rounding may put an edge a hair outside, which Pillow refuses.
    edges = (max(0.0, box[0]), max(0.0, box[1]), min(source.width, box[2]), min(source.height, box[3]))
    size = geometry.turned(chosen.size, orientation)
    small = opaque(source.resize(size, _filter(preprocess), box=edges, reducing_gap=_REDUCING_GAP))
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    if preprocess.mode != "inside" and small.size != (preprocess.width, preprocess.height):
        canvas = Image.new("RGB", (preprocess.width, preprocess.height), (preprocess.fill,) * 3)
        canvas.paste(small, chosen.offset)
        small = canvas
    return np.array(small)


def _draft(im: Image.Image, needed: Size) -> Box | None:
    """Ask the decoder for a smaller picture; the span of it that holds the photo (its last column may be partial)."""
    if not isinstance(im, JpegImagePlugin.JpegImageFile | pillow_heif.HeifImageFile):
        return None
    drafted: tuple[str, Box] | None = im.draft(None, (round(needed[0] * _MARGIN), round(needed[1] * _MARGIN)))
    return drafted[1] if drafted else None


def _filter(preprocess: Preprocess) -> Image.Resampling:
    # open_clip forgets the interpolation for oblong "shortest" pictures and always takes bicubic; models were trained
    # with what it does, not with what it says.
    oblong = preprocess.mode == "shortest" and preprocess.width != preprocess.height
    return Image.Resampling.BICUBIC if oblong or preprocess.interpolation == "bicubic" else Image.Resampling.BILINEAR
