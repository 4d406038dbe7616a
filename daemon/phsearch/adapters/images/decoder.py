"""Decodes one photo file to the model's pixels and the photo's metadata; every failure is one sentence about that file.

The order matters. Read the file once, find the format by its bytes, get the size from that one decoder and compare it
with the limit before any pixel is decoded, read the metadata while the decoder still has the file, and only then decode
the pixels, no larger than the model needs.
"""

from __future__ import annotations

import contextlib
from pathlib import PurePath
from typing import TYPE_CHECKING

from phsearch.adapters.images import codecs, geometry, metadata, raw, render, repair
from phsearch.adapters.images.colour_profiles import ProfileConverter
from phsearch.adapters.images.decode_error import decode_error, too_many_pixels
from phsearch.domain import file_type
from phsearch.domain.ports import Decoded
from phsearch.errors import FileTooLargeError, TruncatedImageError, UnreadableImageError
from phsearch.safe_open import largest_photo, read_whole

if TYPE_CHECKING:
    from phsearch.adapters.images.geometry import Dimensions
    from phsearch.domain.file_type import ImageFormat
    from phsearch.domain.types import DateSource, Pixels, Preprocess


class PillowDecoder:
    """Decodes photos with Pillow and its plugins. It has no state that changes: any number of threads may share it."""

    def __init__(self, max_pixels: int) -> None:
        """Reject photos of more than `max_pixels` pixels. Sets Pillow's process-wide switches."""
        self._max_pixels = max_pixels
        self._profiles = ProfileConverter()
        self.version = codecs.version()
        codecs.configure_decoders()

    def decode(self, path: str, preprocess: Preprocess, descriptor: int | None = None) -> Decoded:
        """Read and decode `path`, or the file of `descriptor`, which stays open.

        Raises UnreadableImageError with the reason: TruncatedImageError if the file ends too early, DecoderMemoryError
        if there was no memory for it. Raises OSError if the file cannot be read.
        """
        return self.decode_bytes(self._read(path, descriptor), path, preprocess)

    def decode_bytes(self, data: bytes, path: str, preprocess: Preprocess) -> Decoded:
        """Decode `data`, the content of `path`. Raises as `decode`."""
        if not data:
            raise TruncatedImageError("empty file (0 bytes)")
        image_format = file_type.detect(data)
        if image_format is None:
            data = repair.skip_leading_bytes(data)
            image_format = file_type.detect(data)
        suffix = PurePath(path).suffix.lower()
        is_raw = image_format == "RAW" or suffix in file_type.RAW_SUFFIXES
        if image_format is None and not is_raw:
            raise UnreadableImageError(file_type.describe_unsupported(data))
        try:
            if is_raw:
                return self._decode_raw(data, image_format, suffix, preprocess)
            assert image_format is not None
            return self._decode_picture(data, image_format, preprocess)
        except UnreadableImageError:
            raise
        except Exception as error:
            repaired = None if image_format is None else self._decode_repaired(data, image_format, preprocess)
            if repaired is not None:
                return repaired
            raise decode_error(error, image_format or "RAW", data) from error

    def _decode_repaired(self, data: bytes, image_format: ImageFormat, preprocess: Preprocess) -> Decoded | None:
        """Return the picture if all of it is there and something else is damaged."""
        with contextlib.suppress(Exception):
            for candidate in repair.without_extras(data, image_format):
                with contextlib.suppress(Exception):
                    return self._decode_picture(candidate, image_format, preprocess)
        return None

    def _read(self, path: str, descriptor: int | None) -> bytes:
        source = path if descriptor is None else descriptor
        try:
            return read_whole(source, limit=largest_photo(self._max_pixels))[1]
        except FileTooLargeError as error:
            raise UnreadableImageError(error.photo_reason()) from error

    def _decode_picture(self, data: bytes, image_format: ImageFormat, preprocess: Preprocess) -> Decoded:
        if image_format == "JXL" and (size := file_type.jxl_size(data)):  # its plugin decodes while opening
            self._check_size(size)
        with codecs.open_image(data, image_format) as im:
            self._check_size(im.size)
            if image_format == "PNG":
                im.load()  # its EXIF may follow the pixels
            facts, orientation = metadata.read_image(im, image_format)
            size = geometry.rotated(im.size, orientation or 1)
            pixels = render.render_pixels(im, size, orientation or 1, preprocess, self._profiles)
        return Decoded(pixels, facts.photo_info(size, file_type.display_name(data, image_format)))

    def _decode_raw(
        self, data: bytes, image_format: ImageFormat | None, suffix: str, preprocess: Preprocess
    ) -> Decoded:
        try:
            camera = raw.RawFile(data)
        except MemoryError:
            raise
        except Exception as error:
            if image_format is None or image_format == "RAW":
                raise UnreadableImageError("damaged or unsupported RAW file") from error
            return self._decode_picture(data, image_format, preprocess)  # a TIFF or JPEG with a camera's suffix
        with camera:
            header = camera.header
            self._check_size(header.size)
            size = geometry.rotated(header.size, header.orientation)
            facts, _ = metadata.read_exif_block(raw.read_tiff_exif(data))
            pixels = None
            if (preview := camera.jpeg_preview()) is not None:
                # If anything is wrong with the preview, there is still the sensor.
                with contextlib.suppress(Exception):
                    pixels, preview_facts = self._decode_preview(preview, header, preprocess)
                    facts = facts.or_else(preview_facts)
            if pixels is None:
                pixels = render.render_pixels(
                    camera.develop_half(), size, header.orientation, preprocess, self._profiles
                )
        dates: dict[DateSource, str] = {"raw": header.timestamp.isoformat()} if header.timestamp else {}
        facts = facts.or_else(metadata.Facts(dates=dates, lens=header.lens))
        name = suffix.removeprefix(".").upper() if suffix in file_type.RAW_SUFFIXES else "RAW"
        return Decoded(pixels, facts.photo_info(size, name))

    def _decode_preview(
        self, preview: bytes, header: raw.RawHeader, preprocess: Preprocess
    ) -> tuple[Pixels | None, metadata.Facts]:
        with codecs.open_image(preview, "JPEG") as im:
            self._check_size(im.size)
            facts, stated = metadata.read_image(im, "JPEG")
            stated = None if raw.is_added_by_libraw(im.getexif()) else stated
            orientation = raw.preview_orientation(header, im.size, stated)
            size = geometry.rotated(im.size, orientation)
            needed = geometry.place(size, preprocess).whole
            if size[0] < needed[0] or size[1] < needed[1]:
                return None, facts
            return render.render_pixels(im, size, orientation, preprocess, self._profiles), facts

    def _check_size(self, size: Dimensions) -> None:
        if size[0] * size[1] > self._max_pixels:
            raise too_many_pixels(size, self._max_pixels)
