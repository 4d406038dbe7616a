"""Decodes one photo file to the model's pixels and the photo's metadata; every failure is one sentence about that file.

The order matters. Read the file once, find the format by its bytes, get the size from that one decoder and compare it
with the limit before any pixel is decoded, read the metadata while the decoder still has the file, and only then decode
the pixels, no larger than the model needs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import PurePath
from typing import TYPE_CHECKING

from phsearch.adapters.images import codecs, exif, file_type, geometry, raw, render
from phsearch.adapters.images.decode_error import decode_error, too_many_pixels
from phsearch.domain.ports import Decoded
from phsearch.errors import FileTooLargeError, TruncatedImageError, UnreadableImageError
from phsearch.safe_open import largest_photo, read_whole

if TYPE_CHECKING:
    from phsearch.adapters.images.file_type import ImageFormat
    from phsearch.adapters.images.geometry import Dimensions
    from phsearch.domain.types import Pixels, Preprocess


class PillowDecoder:
    """Decodes photos with Pillow and its plugins. It has no state that changes: any number of threads may share it."""

    def __init__(self, max_pixels: int) -> None:
        """Reject photos of more than `max_pixels` pixels. Sets Pillow's process-wide switches."""
        self._max_pixels = max_pixels
        self.version = codecs.version()
        codecs.configure_decoders()

    def decode(self, path: str, preprocess: Preprocess, descriptor: int | None = None) -> Decoded:
        """Read and decode `path`, or the file of `descriptor`, which stays open.

        Raises UnreadableImageError with the reason, TruncatedImageError if the file ends too early.
        """
        return self.decode_bytes(self._read(path, descriptor), path, preprocess)

    def decode_bytes(self, data: bytes, path: str, preprocess: Preprocess) -> Decoded:
        """Decode `data`, the content of `path`. Raises as `decode`."""
        if not data:
            raise TruncatedImageError("empty file (0 bytes)")
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
            raise decode_error(error, image_format or "RAW", data) from error

    def _read(self, path: str, descriptor: int | None) -> bytes:
        source = path if descriptor is None else descriptor
        try:
            return read_whole(source, limit=largest_photo(self._max_pixels))[1]
        except FileTooLargeError as error:
            size = f"{error.size / 1e9:,.1f} GB"
            raise UnreadableImageError(f"{size}, more than any photo within index.max_megapixels needs") from error
        except OSError as error:
            raise UnreadableImageError(f"cannot be read: {(error.strerror or 'unknown error').lower()}") from error

    def _decode_picture(self, data: bytes, image_format: ImageFormat, preprocess: Preprocess) -> Decoded:
        if image_format == "JXL" and (size := file_type.jxl_size(data)):  # its plugin decodes while opening
            self._check_size(size)
        with codecs.open_image(data, image_format) as im:
            self._check_size(im.size)
            if image_format == "PNG":
                im.load()  # its EXIF may follow the pixels
            metadata = exif.read_image(im, image_format)
            orientation = metadata.orientation or 1
            size = geometry.rotated(im.size, orientation)
            pixels = render.render_pixels(im, size, orientation, preprocess)
        name = file_type.display_name(data, image_format)
        return Decoded(pixels, exif.photo_info(size, name, metadata.exif))

    def _decode_raw(
        self, data: bytes, image_format: ImageFormat | None, suffix: str, preprocess: Preprocess
    ) -> Decoded:
        try:
            camera = raw.RawFile(data)
        except Exception as error:
            if image_format is None or image_format == "RAW":
                raise UnreadableImageError("damaged or unsupported RAW file") from error
            return self._decode_picture(data, image_format, preprocess)  # a TIFF or JPEG with a camera's suffix
        with camera:
            header = camera.header
            self._check_size(header.size)
            size = geometry.rotated(header.size, header.orientation)
            found = exif.read_exif(raw.read_tiff_exif(data)).exif
            pixels = None
            if (preview := camera.jpeg_preview()) is not None:
                # If anything is wrong with the preview, there is still the sensor.
                with contextlib.suppress(Exception):
                    pixels, preview_exif = self._decode_preview(preview, header, preprocess)
                    found = preview_exif if found == exif.ExifData() else found
            if pixels is None:
                pixels = render.render_pixels(camera.develop_half(), size, header.orientation, preprocess)
        timestamp = header.timestamp.isoformat() if header.timestamp else None
        found = dataclasses.replace(found, taken_at=found.taken_at or timestamp, lens=found.lens or header.lens)
        name = suffix.removeprefix(".").upper() if suffix in file_type.RAW_SUFFIXES else "RAW"
        return Decoded(pixels, exif.photo_info(size, name, found))

    def _decode_preview(
        self, preview: bytes, header: raw.RawHeader, preprocess: Preprocess
    ) -> tuple[Pixels | None, exif.ExifData]:
        with codecs.open_image(preview, "JPEG") as im:
            self._check_size(im.size)
            metadata = exif.read_image(im, "JPEG")
            stated = None if raw.is_added_by_libraw(im.getexif()) else metadata.orientation
            orientation = raw.preview_orientation(header, im.size, stated)
            size = geometry.rotated(im.size, orientation)
            needed = geometry.place(size, preprocess).whole
            if size[0] < needed[0] or size[1] < needed[1]:
                return None, metadata.exif
            return render.render_pixels(im, size, orientation, preprocess), metadata.exif

    def _check_size(self, size: Dimensions) -> None:
        if size[0] * size[1] > self._max_pixels:
            raise too_many_pixels(size, self._max_pixels)
