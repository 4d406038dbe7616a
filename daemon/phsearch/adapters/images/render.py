"""Renders the model's input: decodes no larger than needed, resizes the chosen part, rotates it upright and pads it.

The rotation comes after the resize. A resize treats rows and columns alike, so the result differs only by rounding.
Rotating 224 x 224 pixels costs nothing, and rotating twelve million costs 150 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pillow_heif
from PIL import Image, JpegImagePlugin

from phsearch.adapters.images import colour, geometry

if TYPE_CHECKING:
    from phsearch.adapters.images.colour_profiles import ProfileConverter
    from phsearch.adapters.images.geometry import Box, Dimensions
    from phsearch.domain.types import Pixels, Preprocess

_DRAFT_MARGIN = 2.0
"""Drafts and thumbnails are decoded at no less than this many times the size that the model needs.

Cosine of the image tower's vectors with those of the full decode (EfficientNet-Lite2, 260 px), lowest and median:
JPEG draft 0.9899 / 0.998 at 1x, 0.9972 / 0.9993 at 1.5x, 0.9991 / 0.9997 at 2x; HEIC thumbnail of a camera, lowest
0.958 at 1x, 0.991 at 1.5x, 0.993 at 2x.
"""

_REDUCING_GAP = 3.0
"""Pillow averages whole blocks down to this many times the wanted size before it filters.

50 -> 14 ms for 12 megapixels that have no draft (PNG, WebP, HEIC); cosine as above 0.9994 / 0.9998.
"""

_UNPROFILED_MODES = frozenset({"L", "LA", "CMYK"})
"""Modes of a picture to resize whose profile, if any, is not one of RGB; that of CMYK is applied before."""

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> the operation that makes the picture upright."""


def render_pixels(
    im: Image.Image, displayed: Dimensions, orientation: int, preprocess: Preprocess, profiles: ProfileConverter
) -> Pixels:
    """Return the model's input for `im`: [height, width, 3] uint8, contiguous, in sRGB.

    `displayed` is the size of the photo when it is upright.
    """
    profile = im.info.get("icc_profile")
    placement = geometry.place(displayed, preprocess)
    draft = _request_draft(im, geometry.rotated(placement.whole, orientation))
    im.load()
    across, down = draft[2:] if draft else im.size
    full = geometry.rotated(displayed, orientation)
    box = geometry.to_stored(placement.box, displayed, orientation, (across / full[0], down / full[1]))
    source = colour.to_resizable(im)
    # Rounding may put an edge slightly outside of the picture, which Pillow rejects.
    edges = (max(0.0, box[0]), max(0.0, box[1]), min(source.width, box[2]), min(source.height, box[3]))
    size = geometry.rotated(placement.size, orientation)
    small = source.resize(size, _resampling(preprocess), box=edges, reducing_gap=_REDUCING_GAP)
    if small.mode == "CMYK":
        small = profiles.to_srgb(small, profile)
    small = colour.flatten(small)
    if source.mode not in _UNPROFILED_MODES:
        small = profiles.to_srgb(small, profile)
    if orientation in _TRANSPOSE:
        small = small.transpose(_TRANSPOSE[orientation])
    if preprocess.mode != "inside" and small.size != (preprocess.width, preprocess.height):
        canvas = Image.new("RGB", (preprocess.width, preprocess.height), (preprocess.fill,) * 3)
        canvas.paste(small, placement.offset)
        small = canvas
    return np.array(small)


def _request_draft(im: Image.Image, needed: Dimensions) -> Box | None:
    """Ask the decoder for a smaller picture and return the box of the photo in it; its last column may be partial."""
    if not isinstance(im, JpegImagePlugin.JpegImageFile | pillow_heif.HeifImageFile):
        return None
    size = (round(needed[0] * _DRAFT_MARGIN), round(needed[1] * _DRAFT_MARGIN))
    draft: tuple[str, Box] | None = im.draft(None, size)
    return draft[1] if draft else None


def _resampling(preprocess: Preprocess) -> Image.Resampling:
    # open_clip ignores the configured interpolation for non-square "shortest" pictures and always takes bicubic. Models
    # were trained with what it does, not with what its configuration says.
    oblong = preprocess.mode == "shortest" and preprocess.width != preprocess.height
    return Image.Resampling.BICUBIC if oblong or preprocess.interpolation == "bicubic" else Image.Resampling.BILINEAR
