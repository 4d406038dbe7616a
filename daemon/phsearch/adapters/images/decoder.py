"""One photo file in, model pixels and facts out; whatever goes wrong is one sentence about that file.

Order matters: read once, ask the bytes what they are, ask that one decoder for the size and compare it with the limit
before any pixel is decoded, take the metadata while the decoder still holds the file, and only then decode, no larger
than the model needs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from PIL import TiffImagePlugin

from phsearch.adapters.images import codecs, exif, file_type, geometry, raw, render
from phsearch.domain.ports import Decoded
from phsearch.errors import FileTooLargeError, TruncatedImageError, UnreadableImageError
from phsearch.safe_open import largest_photo, read_whole

if TYPE_CHECKING:
    from phsearch.adapters.images.geometry import Size
    from phsearch.domain.types import Pixels, Preprocess

# Why a photo could not be decoded, in words for its owner.
#
# Decoders raise whatever they like: over six thousand malformed files gave eight types, from SyntaxError to
# struct.error, with texts such as "broken PNG file (chunk b'IDAT')" or "cannot identify image file <_io.BytesIO object
# at 0x7f...>". The owner needs one of a few answers; the rest is in `__cause__` for the log.


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


def decode_error(error: Exception, found: str, data: bytes) -> UnreadableImageError:
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
    return file_type.is_cut(data, found)


class PillowDecoder:
    """Decodes photos by Pillow and its plugins. Holds nothing that changes, so any number of threads may share it."""

    def __init__(self, max_pixels: int) -> None:
        """Refuse photos of more than `max_pixels` pixels. Sets Pillow's process-wide switches."""
        self._max_pixels = max_pixels
        self.version = codecs.version()
        codecs.prepare()

    def decode(self, path: str, preprocess: Preprocess, descriptor: int | None = None) -> Decoded:
        """Read and decode `path`, or the file of `descriptor`, which stays open.

        Raises UnreadableImageError with the reason, TruncatedImageError if the file ends too early.
        """
        return self.decode_bytes(self._read(path, descriptor), path, preprocess)

    def decode_bytes(self, data: bytes, path: str, preprocess: Preprocess) -> Decoded:
        """Decode what was read from `path`. Raises as `decode`."""
        if not data:
            raise TruncatedImageError("empty file (0 bytes)")
        found = file_type.detect(data)
        suffix = PurePath(path).suffix.lower()
        is_raw = found == "RAW" or suffix in file_type.RAW_SUFFIXES
        if found is None and not is_raw:
            raise UnreadableImageError(file_type.describe_unsupported(data))
        try:
            if is_raw:
                return self._raw(data, found, suffix, preprocess)
            assert found is not None
            return self._picture(data, found, preprocess)
        except UnreadableImageError:
            raise
        except Exception as error:
            raise decode_error(error, found or "RAW", data) from error

    def _read(self, path: str, descriptor: int | None) -> bytes:
        source = path if descriptor is None else descriptor
        try:
            return read_whole(source, limit=largest_photo(self._max_pixels))[1]
        except FileTooLargeError as error:
            size = f"{error.size / 1e9:,.1f} GB"
            raise UnreadableImageError(f"{size}, more than any photo within index.max_megapixels needs") from error
        except OSError as error:
            raise UnreadableImageError(f"cannot be read: {(error.strerror or 'unknown error').lower()}") from error

    def _picture(self, data: bytes, found: file_type.Kind, preprocess: Preprocess) -> Decoded:
        if found == "JXL" and (told := file_type.jxl_size(data)):  # its plugin decodes while opening
            self._check(told)
        with codecs.opened(data, found) as im:
            self._check(im.size)
            if found == "PNG":
                im.load()  # its EXIF may follow the pixels
            told_tags = exif.of_image(im, found)
            orientation = told_tags.orientation or 1
            size = geometry.turned(im.size, orientation)
            pixels = render.decoded(im, size, orientation, preprocess)
        return Decoded(pixels, exif.info(size, file_type.shown_name(data, found), told_tags.facts))

    def _raw(self, data: bytes, found: file_type.Kind | None, suffix: str, preprocess: Preprocess) -> Decoded:
        try:
            camera = raw.RawFile(data)
        except Exception as error:
            if found is None or found == "RAW":
                raise UnreadableImageError("damaged or unsupported RAW file") from error
            return self._picture(data, found, preprocess)  # a TIFF or a JPEG with a camera's suffix
        with camera:
            header = camera.header
            self._check(header.size)
            size = geometry.turned(header.size, header.orientation)
            facts = exif.described(raw.exif_of(data)).facts
            pixels = None
            if (preview := camera.preview()) is not None:
                # Whatever is wrong with the preview, there is still the sensor.
                with contextlib.suppress(Exception):
                    pixels, preview_facts = self._preview(preview, header, preprocess)
                    facts = preview_facts if facts == exif.Facts() else facts
            if pixels is None:
                pixels = render.decoded(camera.half(), size, header.orientation, preprocess)
        stamp = header.timestamp.isoformat() if header.timestamp else None
        facts = dataclasses.replace(facts, taken_at=facts.taken_at or stamp, lens=facts.lens or header.lens)
        name = suffix.removeprefix(".").upper() if suffix in file_type.RAW_SUFFIXES else "RAW"
        return Decoded(pixels, exif.info(size, name, facts))

    def _preview(
        self, preview: bytes, header: raw.RawHeader, preprocess: Preprocess
    ) -> tuple[Pixels | None, exif.Facts]:
        with codecs.opened(preview, "JPEG") as im:
            self._check(im.size)
            told = exif.of_image(im, "JPEG")
            stated = None if raw.is_made_up(im.getexif()) else told.orientation
            orientation = raw.orientation(header, im.size, stated)
            size = geometry.turned(im.size, orientation)
            needed = geometry.plan(size, preprocess).whole
            if size[0] < needed[0] or size[1] < needed[1]:
                return None, told.facts
            return render.decoded(im, size, orientation, preprocess), told.facts

    def _check(self, size: Size) -> None:
        if size[0] * size[1] > self._max_pixels:
            raise over_limit(size, self._max_pixels)
