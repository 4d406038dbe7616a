"""Pixels for the model: decoded no larger than needed, the chosen part resized, turned upright, on its canvas.

The turn comes after the resize: a resize works on rows and columns alike, so the result differs by rounding only, and
turning 224 x 224 pixels costs nothing where turning twelve million costs 150 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pillow_heif
from PIL import Image, JpegImagePlugin

from phsearch.adapters.images import colour, fit

if TYPE_CHECKING:
    from phsearch.adapters.images.fit import Box, Size
    from phsearch.domain.types import Pixels, Preprocess

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
    chosen = fit.plan(displayed, preprocess)
    drafted = _draft(im, fit.turned(chosen.whole, orientation))
    im.load()
    across, down = drafted[2:] if drafted else im.size
    full = fit.turned(displayed, orientation)
    box = fit.stored(chosen.box, displayed, orientation, (across / full[0], down / full[1]))
    source = colour.resizable(im)
    # Rounding may put an edge a hair outside, which Pillow refuses.
    edges = (max(0.0, box[0]), max(0.0, box[1]), min(source.width, box[2]), min(source.height, box[3]))
    size = fit.turned(chosen.size, orientation)
    small = colour.opaque(source.resize(size, _filter(preprocess), box=edges, reducing_gap=_REDUCING_GAP))
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
