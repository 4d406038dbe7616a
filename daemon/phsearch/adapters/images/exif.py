"""Converts EXIF tags to the values that are shown and used in filters.

EXIF is written by thousands of firmwares and damaged by as many programs, so no value is trusted. A value of the wrong
type, a zero denominator, a month 13 or a latitude of 200 counts as no value and is never an error. `read_image` and
`read_exif` are the only functions that call Pillow. Any metadata may raise in there, and no such error leaves them.
"""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from phsearch.domain.types import PhotoInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

    from phsearch.adapters.images.file_type import ImageFormat
    from phsearch.adapters.images.geometry import Dimensions

    Ifd = Mapping[int, object]

_MAKE, _MODEL, _DATETIME = 0x010F, 0x0110, 0x0132
_LENS_MAKE, _LENS_MODEL = 0xA433, 0xA434
# Each date with its sub-second and its offset from UTC, the time of exposure first.
_ORIGINAL = (0x9003, 0x9291, 0x9011)
_DIGITIZED = (0x9004, 0x9292, 0x9012)
_CHANGED = (_DATETIME, 0x9290, 0x9010)
_LAT_REF, _LAT, _LON_REF, _LON = 1, 2, 3, 4

_DATE = re.compile(r"(\d{4})[:/.-](\d{2})[:/.-](\d{2})[ T](\d{2}):(\d{2}):(\d{2})")
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d")
_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825
_MAX_TEXT = 200
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - programs write it when they know no date


@dataclass(frozen=True, slots=True)
class ExifData:
    """The EXIF values of one photo; None for a value that is missing or not plausible."""

    taken_at: str | None = None
    camera: str | None = None
    lens: str | None = None
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True, slots=True)
class ImageMetadata:
    """The EXIF values, and the orientation stated in the file; None for one that is missing or does not exist."""

    exif: ExifData
    orientation: int | None


def read_ifds(main: Ifd, exif: Ifd, gps: Ifd) -> ExifData:
    """Return the values of IFD0, the Exif IFD and the GPS IFD."""
    lat, lon = gps_position(gps)
    return ExifData(
        taken_at=taken_at(main, exif),
        camera=_camera_name(main.get(_MAKE), main.get(_MODEL)),
        lens=_camera_name(exif.get(_LENS_MAKE), exif.get(_LENS_MODEL)) if clean_text(exif.get(_LENS_MODEL)) else None,
        lat=lat,
        lon=lon,
    )


def taken_at(main: Ifd, exif: Ifd) -> str | None:
    """Return the first plausible date as ISO 8601, with the offset from UTC only if the camera wrote one."""
    for date_tag, fraction_tag, offset_tag in (_ORIGINAL, _DIGITIZED, _CHANGED):
        # DateTime belongs in IFD0 and the others in the Exif IFD, but programs write them to either.
        date = _parse_date(clean_text(exif.get(date_tag)) or clean_text(main.get(date_tag)))
        if date is None:
            continue
        fraction = clean_text(exif.get(fraction_tag)) or ""
        offset = clean_text(exif.get(offset_tag)) or ""
        if not (fraction.isascii() and fraction.isdigit()):
            fraction = ""
        return date + (f".{fraction[:6]}" if fraction else "") + (offset if _OFFSET.fullmatch(offset) else "")
    return None


def gps_position(gps: Ifd) -> tuple[float, float] | tuple[None, None]:
    """Return latitude and longitude in signed degrees: both or none, and not the 0, 0 of a receiver without a fix."""
    lat = _parse_degrees(gps.get(_LAT), clean_text(gps.get(_LAT_REF)), "S", 90)
    lon = _parse_degrees(gps.get(_LON), clean_text(gps.get(_LON_REF)), "W", 180)
    if lat is None or lon is None or (lat == 0 and lon == 0):
        return None, None
    return lat, lon


def clean_text(value: object) -> str | None:
    """Return a tag as text, or None if nothing is left.

    The text ends at the first NUL, runs of whitespace become one space, and unprintable characters are removed.
    """
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    value = " ".join(value.split("\0", 1)[0].split())
    value = "".join(letter for letter in value if letter.isprintable() and letter != "\ufffd").strip()
    return value[:_MAX_TEXT] or None


def _camera_name(make: object, model: object) -> str | None:
    """Join maker and model; "Canon" + "Canon EOS 6D" and "NIKON CORPORATION" + "NIKON D90" name the maker only once."""
    maker, name = clean_text(make), clean_text(model)
    if maker is None or name is None:
        return name or maker
    repeated = name.casefold().startswith(maker.split()[0].casefold())
    return name if repeated else f"{maker} {name}"


def _parse_date(value: str | None) -> str | None:
    found = _DATE.match(value or "")
    if not found:
        return None
    try:
        date = datetime(*(int(part) for part in found.groups()))  # type: ignore[arg-type] # noqa: DTZ001
    except ValueError:  # 0000:00:00 of a camera whose clock was never set, month 13, second 60
        return None
    return None if date == _EPOCH else date.isoformat()


def _parse_degrees(value: object, ref: str | None, negative: str, limit: int) -> float | None:
    parts = value if isinstance(value, tuple | list) else (value,)
    numbers = [_parse_number(part) for part in parts[:3]]
    if not numbers or numbers[0] is None:
        return None
    # "48/1 23.5/1 0/0" is legal: minutes with decimals and no seconds.
    degrees = sum(number / 60**power for power, number in enumerate(numbers) if number is not None)
    if ref is not None and ref.upper().startswith(negative):
        degrees = -degrees
    return round(degrees, 7) if abs(degrees) <= limit else None


def _parse_number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_image(im: Image.Image, image_format: ImageFormat) -> ImageMetadata:
    """Return the metadata of an open image. Call this before the pixels are decoded, which closes the file."""
    try:
        tags = read_exif(im.getexif())
    except Exception:  # noqa: BLE001 - metadata never fails a photo
        return ImageMetadata(ExifData(), None)
    # The decoders of these formats rotate, whatever a leftover tag says. (Not a JPEG inside JPEG XL.)
    upright = image_format in {"TIFF", "HEIF"} or (image_format == "JXL" and not getattr(im, "jpeg", False))
    return ImageMetadata(tags.exif, None) if upright else tags


def read_exif(tags: Image.Exif) -> ImageMetadata:
    """Return the metadata of the main, Exif and GPS directory; a damaged one does not affect the others."""
    exif_ifd: dict[int, object] = {}
    gps_ifd: dict[int, object] = {}
    with contextlib.suppress(Exception):
        exif_ifd = dict(tags.get_ifd(_EXIF_IFD))
    with contextlib.suppress(Exception):
        gps_ifd = dict(tags.get_ifd(_GPS_IFD))
    value = tags.get(_ORIENTATION)
    orientation = value if isinstance(value, int) and value in range(1, 9) else None
    return ImageMetadata(read_ifds(dict(tags), exif_ifd, gps_ifd), orientation)


def photo_info(size: Dimensions, name: str, found: ExifData) -> PhotoInfo:
    """Return what is known of a photo; `name` is that of its format."""
    return PhotoInfo(
        width=size[0],
        height=size[1],
        format=name,
        taken_at=found.taken_at,
        camera=found.camera,
        lens=found.lens,
        lat=found.lat,
        lon=found.lon,
    )
