"""One photo file in, model pixels and facts out; whatever goes wrong is one sentence about that file.

Order matters: read once, ask the bytes what they are, ask that one decoder for the size and compare it with the limit
before any pixel is decoded, take the metadata while the decoder still holds the file, and only then decode, no larger
than the model needs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import PurePath
from typing import TYPE_CHECKING

from phsearch.adapters.images import exif, fit, plugins, raw, reasons, render, sniff, source, tags
from phsearch.domain.ports import Decoded
from phsearch.errors import TruncatedImageError, UnreadableImageError

if TYPE_CHECKING:
    from phsearch.adapters.images.fit import Size
    from phsearch.domain.types import Pixels, Preprocess


class PillowDecoder:
    """Decodes photos by Pillow and its plugins. Holds nothing that changes, so any number of threads may share it."""

    def __init__(self, max_pixels: int) -> None:
        """Refuse photos of more than `max_pixels` pixels. Sets Pillow's process-wide switches."""
        self._max_pixels = max_pixels
        self.version = plugins.version()
        plugins.prepare()

    def decode(self, path: str, preprocess: Preprocess, descriptor: int | None = None) -> Decoded:
        """Read and decode `path`. Raises UnreadableImageError with the reason, TruncatedImageError if it is cut."""
        return self.decode_bytes(source.read(path, self._max_pixels, descriptor), path, preprocess)

    def decode_bytes(self, data: bytes, path: str, preprocess: Preprocess) -> Decoded:
        """Decode what was read from `path`. Raises as `decode`."""
        if not data:
            raise TruncatedImageError("empty file (0 bytes)")
        found = sniff.kind(data)
        suffix = PurePath(path).suffix.lower()
        is_raw = found == "RAW" or suffix in sniff.RAW_SUFFIXES
        if found is None and not is_raw:
            raise UnreadableImageError(sniff.stranger(data))
        try:
            if is_raw:
                return self._raw(data, found, suffix, preprocess)
            assert found is not None
            return self._picture(data, found, preprocess)
        except UnreadableImageError:
            raise
        except Exception as error:
            raise reasons.explain(error, found or "RAW", data) from error

    def _picture(self, data: bytes, found: sniff.Kind, preprocess: Preprocess) -> Decoded:
        if found == "JXL" and (told := sniff.jxl_size(data)):  # its plugin decodes while opening
            self._check(told)
        with plugins.opened(data, found) as im:
            self._check(im.size)
            if found == "PNG":
                im.load()  # its EXIF may follow the pixels
            told_tags = tags.of_image(im, found)
            orientation = told_tags.orientation or 1
            size = fit.turned(im.size, orientation)
            pixels = render.decoded(im, size, orientation, preprocess)
        return Decoded(pixels, tags.info(size, sniff.shown_name(data, found), told_tags.facts))

    def _raw(self, data: bytes, found: sniff.Kind | None, suffix: str, preprocess: Preprocess) -> Decoded:
        try:
            camera = raw.RawFile(data)
        except Exception as error:
            if found is None or found == "RAW":
                raise UnreadableImageError("damaged or unsupported RAW file") from error
            return self._picture(data, found, preprocess)  # a TIFF or a JPEG with a camera's suffix
        with camera:
            header = camera.header
            self._check(header.size)
            size = fit.turned(header.size, header.orientation)
            facts = tags.described(raw.exif_of(data)).facts
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
        name = suffix.removeprefix(".").upper() if suffix in sniff.RAW_SUFFIXES else "RAW"
        return Decoded(pixels, tags.info(size, name, facts))

    def _preview(
        self, preview: bytes, header: raw.RawHeader, preprocess: Preprocess
    ) -> tuple[Pixels | None, exif.Facts]:
        with plugins.opened(preview, "JPEG") as im:
            self._check(im.size)
            told = tags.of_image(im, "JPEG")
            stated = None if raw.is_made_up(im.getexif()) else told.orientation
            orientation = raw.orientation(header, im.size, stated)
            size = fit.turned(im.size, orientation)
            needed = fit.plan(size, preprocess).whole
            if size[0] < needed[0] or size[1] < needed[1]:
                return None, told.facts
            return render.decoded(im, size, orientation, preprocess), told.facts

    def _check(self, size: Size) -> None:
        if size[0] * size[1] > self._max_pixels:
            raise reasons.over_limit(size, self._max_pixels)
