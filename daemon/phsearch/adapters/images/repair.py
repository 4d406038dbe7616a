"""Finds the whole picture in a file whose other parts are damaged: text, profiles, the end, bytes before the start.

What viewers show, we find. Nothing here repairs pixels: a picture that is cut off stays unreadable, since it may still
be on its way, and half of a photo is found for the wrong words.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

from PIL import JpegImagePlugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.domain.file_type import ImageFormat

_PNG_START = 8
_PNG_KEPT = frozenset({b"tRNS", b"eXIf", b"iCCP", b"tEXt", b"iTXt"})
"""Chunks beside the critical ones that say how a picture looks or when it was taken."""
_PNG_LARGEST = 1 << 18
"""Bytes of such a chunk. Compressed text may be a thousand times larger, and is left out if it is compressed."""
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_SCAN = 0xDA
_JPEG_KEPT = frozenset({0xE0, 0xE1, 0xE2, 0xEE})
"""JFIF, EXIF, the colour profile and Adobe's colour transform, of the segments that no decoder needs."""
_JPEG_FEWER = (_JPEG_KEPT, frozenset({0xE0, 0xE1, 0xEE}), frozenset({0xEE}))
_JPEG_EXTRA = range(0xE0, 0xFF)
_WEBP_PIXELS = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
_NO_LENGTH = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
_PADDING = bytes(range(1, 128))
_SEARCHED = 64


def skip_leading_bytes(data: bytes) -> bytes:
    """Return `data` from the start of a JPEG or PNG in its first bytes, which a transfer as text may have put there."""
    starts = (data.find(magic, 0, _SEARCHED) for magic in (_JPEG_START, b"\x89PNG\r\n\x1a\n"))
    return data[min((start for start in starts if start > 0), default=0) :]


def without_extras(data: bytes, image_format: ImageFormat) -> Iterator[bytes]:
    """Yield `data` with fewer and fewer parts that are not pixels, if its format is PNG, JPEG or WebP."""
    match image_format:
        case "PNG":
            for kept in (_PNG_KEPT, frozenset({b"tRNS"})):
                yield data[:_PNG_START] + b"".join(_png_chunks(data, kept))
        case "WEBP":
            chunks = b"".join(_webp_chunks(data))
            yield b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks
        case "JPEG":
            for whole in dict.fromkeys((data, *(b"".join(_jpeg_segments(data, kept)) for kept in _JPEG_FEWER))):
                if _is_cut_off(whole):
                    return
                if (ended := _with_end(whole)) != data:
                    yield ended


def _png_chunks(data: bytes, kept: frozenset[bytes]) -> Iterator[bytes]:
    at = _PNG_START
    while at + 12 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        chunk = data[at:end]
        if not name[0] & 0x20 or (name in kept and length <= _PNG_LARGEST and _is_sound(name, chunk)):
            yield chunk
        at = end


def _is_sound(name: bytes, chunk: bytes) -> bool:
    checksum = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
    # iTXt: keyword, NUL, whether it is compressed.
    return checksum and not (name == b"iTXt" and chunk[8:-4].partition(b"\0")[2][:1] != b"\0")


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    at = 12
    while at + 8 <= len(data):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if name == b"VP8X":  # its flags announce transparency and animation, and the chunks that are left out
            yield data[at : at + 8] + bytes([data[at + 8] & 0b0001_0010]) + data[at + 9 : end]
        elif name in _WEBP_PIXELS:
            yield data[at:end].ljust(end - at, b"\0") if end == len(data) + 1 else data[at:end]
        at = end


def _jpeg_segments(data: bytes, kept: frozenset[int]) -> Iterator[bytes]:
    """Yield the segments of a JPEG that a decoder needs and those `kept`; bytes between segments are left out."""
    yield data[:2]
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in {0x00, 0xFF} or marker in _NO_LENGTH:
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004 - a fill byte
            continue
        if marker == _JPEG_SCAN:
            yield data[at:]
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker not in _JPEG_EXTRA or marker in kept:
            yield data[at:end]
        at = end


def _with_end(data: bytes) -> bytes:
    return data if data.rstrip(b"\0").endswith(_JPEG_END) else data + _JPEG_END


def _is_cut_off(data: bytes) -> bool:
    """Whether a part of a JPEG's picture is missing. False if it cannot be decoded at all.

    The decoder takes what is missing from whatever follows. So the picture is whole if it stays the same when something
    else follows.
    """
    ended = _with_end(data)
    if ended == data:
        return False
    try:
        return _grey_pixels(ended) != _grey_pixels(data + _PADDING + _JPEG_END)
    except Exception:  # noqa: BLE001 - whatever Pillow raises
        return False


def _grey_pixels(data: bytes) -> bytes:
    """Return the brightness of a JPEG. Raises whatever Pillow raises."""
    with JpegImagePlugin.JpegImageFile(io.BytesIO(data), "") as im:
        im.draft("L", im.size)
        im.load()
        return im.tobytes()
