"""Why a photo could not be decoded, in words for its owner.

Decoders raise whatever they like: over six thousand malformed files gave eight types, from SyntaxError to
struct.error, with texts such as "broken PNG file (chunk b'IDAT')" or "cannot identify image file <_io.BytesIO object
at 0x7f...>". The owner needs one of a few answers; the rest is in `__cause__` for the log.
"""

from __future__ import annotations

import contextlib
import io
import re

from PIL import TiffImagePlugin

from phsearch.adapters.images import sniff
from phsearch.errors import TruncatedImageError, UnreadableImageError

_CUT = re.compile(
    r"truncat(?!ed \w+ chunk)|unexpected end|end of (?:file|data)|premature|not enough (?:image )?data|incomplete",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|not implemented|not been built in|unknown compression|unknown pixel mode", re.IGNORECASE
)
# TIFF tags of where the pixels lie and how long they are: in strips or in tiles.
_TIFF_DATA = ((273, 279), (324, 325))
_MEMORY = re.compile(r"memory", re.IGNORECASE)


def explain(error: Exception, found: str, data: bytes) -> UnreadableImageError:
    """Translate what a decoder of format `found` raised on `data`."""
    name = {"JPEG2000": "JPEG 2000", "JXL": "JPEG XL", "WEBP": "WebP", "HEIF": "HEIC"}.get(found, found)
    words = str(error)
    if isinstance(error, MemoryError) or _MEMORY.search(words):
        return UnreadableImageError(f"the {name} decoder ran out of memory")
    if isinstance(error, EOFError) or _CUT.search(words) or _is_cut(data, found):
        return TruncatedImageError(f"truncated {name}: the file ends before the picture does")
    if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(words):
        return UnreadableImageError(f"this kind of {name} is not supported")
    return UnreadableImageError(f"damaged {name} data")


def over_limit(size: tuple[int, int], max_pixels: int) -> UnreadableImageError:
    """Say that a photo has more pixels than the configuration admits."""
    limit = f"{max_pixels / 1e6:,.1f}".removesuffix(".0")
    return UnreadableImageError(
        f"{size[0]:,} x {size[1]:,} pixels, over the limit of {limit} megapixels (index.max_megapixels)"
    )


def _is_cut(data: bytes, found: str) -> bool:
    if found == "TIFF":
        with contextlib.suppress(Exception):
            tags = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
            file = io.BytesIO(data)
            file.seek(tags.next)
            tags.load(file)
            starts, lengths = next((tags[at], tags[count]) for at, count in _TIFF_DATA if at in tags)
            return any(start + length > len(data) for start, length in zip(starts, lengths, strict=False))
    return sniff.is_cut(data, found)
