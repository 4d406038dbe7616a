"""Reasons why a photo cannot be decoded, in words for the owner of the photo.

Decoders raise errors of any type: over six thousand malformed files gave eight types, from SyntaxError to struct.error,
with texts such as "broken PNG file (chunk b'IDAT')" or "cannot identify image file <_io.BytesIO object at 0x7f...>".
The owner needs one of a few reasons. The original error is in `__cause__`, for the log.
"""

from __future__ import annotations

import contextlib
import io
import re

from PIL import TiffImagePlugin

from phsearch.domain import file_type
from phsearch.errors import DecoderMemoryError, TruncatedImageError, UnreadableImageError

_NAMES = {"JPEG2000": "JPEG 2000", "JXL": "JPEG XL", "WEBP": "WebP", "HEIF": "HEIC"}
_TRUNCATED = re.compile(
    r"truncat(?!ed \w+ chunk)|unexpected end|end of (?:file|data)|premature|not enough (?:image )?data|incomplete",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|not implemented|not been built in|unknown compression|unknown pixel mode", re.IGNORECASE
)
_MEMORY = re.compile(r"memory", re.IGNORECASE)
_COMPRESSION = 259
"""The TIFF tag."""
_TIFF_DATA = ((273, 279), (324, 325))
"""TIFF tags with the offsets and lengths of the pixel data, in strips or in tiles."""


def decode_error(error: Exception, image_format: str, data: bytes) -> UnreadableImageError:
    """Return the error to raise for `error`, which the decoder of `image_format` raised on `data`."""
    name = _NAMES.get(image_format, image_format)
    text = str(error)
    if isinstance(error, MemoryError) or _MEMORY.search(text):
        return DecoderMemoryError(f"the {name} decoder ran out of memory")
    if isinstance(error, EOFError) or _TRUNCATED.search(text) or _is_truncated(data, image_format):
        return TruncatedImageError(f"truncated {name}: the file ends before the picture does")
    if (
        isinstance(error, NotImplementedError)
        or _UNSUPPORTED.search(text)
        or _is_unknown_compression(data, image_format)
    ):
        return UnreadableImageError(f"this kind of {name} is not supported")
    return UnreadableImageError(f"damaged {name} data")


def too_many_pixels(size: tuple[int, int], max_pixels: int) -> UnreadableImageError:
    """Return the error for a photo with more pixels than the configuration allows."""
    limit = f"{max_pixels / 1e6:,.1f}".removesuffix(".0")
    return UnreadableImageError(
        f"{size[0]:,} x {size[1]:,} pixels, over the limit of {limit} megapixels (index.max_megapixels)"
    )


def _is_unknown_compression(data: bytes, image_format: str) -> bool:
    if image_format == "TIFF":
        with contextlib.suppress(Exception):
            return _tiff_tags(data).get(_COMPRESSION, 1) not in TiffImagePlugin.COMPRESSION_INFO
    return False


def _tiff_tags(data: bytes) -> TiffImagePlugin.ImageFileDirectory_v2:
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    return tags


def _is_truncated(data: bytes, image_format: str) -> bool:
    if image_format == "TIFF":
        with contextlib.suppress(Exception):
            tags = _tiff_tags(data)
            starts, lengths = next((tags[at], tags[count]) for at, count in _TIFF_DATA if at in tags)
            return any(start + length > len(data) for start, length in zip(starts, lengths, strict=False))
    return file_type.is_truncated(data, image_format)
