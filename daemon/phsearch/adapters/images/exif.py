"""EXIF tags into facts. Pure: three dictionaries of tag numbers in, what we show and filter by out.

EXIF is written by thousands of firmwares and damaged by as many programs, so nothing here is believed: a value of the
wrong type, a zero denominator, a month 13 or a latitude of 200 is the same as no value, and never an error.
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

    from phsearch.adapters.images.file_type import Kind
    from phsearch.adapters.images.geometry import Size

    Ifd = Mapping[int, object]

_MAKE, _MODEL, _DATETIME = 0x010F, 0x0110, 0x0132
_LENS_MAKE, _LENS_MODEL = 0xA433, 0xA434
# Each date with its sub-second and its offset from UTC, the moment of exposure first.
_ORIGINAL = (0x9003, 0x9291, 0x9011)
_DIGITIZED = (0x9004, 0x9292, 0x9012)
_CHANGED = (_DATETIME, 0x9290, 0x9010)
_LAT_REF, _LAT, _LON_REF, _LON = 1, 2, 3, 4

_DATE = re.compile(r"(\d{4})[:/.-](\d{2})[:/.-](\d{2})[ T](\d{2}):(\d{2}):(\d{2})")
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d")
_MAX_TEXT = 200
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what programs write where they know no date


@dataclass(frozen=True, slots=True)
class Facts:
    """What EXIF tells of one photo; None where it tells nothing that can be believed."""

    taken_at: str | None = None
    camera: str | None = None
    lens: str | None = None
    lat: float | None = None
    lon: float | None = None


def read(main: Ifd, exif: Ifd, gps: Ifd) -> Facts:
    """Give the facts of IFD0, the Exif IFD and the GPS IFD."""
    lat, lon = position(gps)
    return Facts(
        taken_at=taken_at(main, exif),
        camera=_brand(main.get(_MAKE), main.get(_MODEL)),
        lens=_brand(exif.get(_LENS_MAKE), exif.get(_LENS_MODEL)) if text(exif.get(_LENS_MODEL)) else None,
        lat=lat,
        lon=lon,
    )


def taken_at(main: Ifd, exif: Ifd) -> str | None:
    """Give the first believable date as ISO 8601, with the offset from UTC only where the camera wrote one."""
    for date_tag, fraction_tag, offset_tag in (_ORIGINAL, _DIGITIZED, _CHANGED):
        # DateTime belongs into IFD0 and the others into the Exif IFD, but programs put them into either.
        date = _date(text(exif.get(date_tag)) or text(main.get(date_tag)))
        if date is None:
            continue
        fraction = text(exif.get(fraction_tag)) or ""
        offset = text(exif.get(offset_tag)) or ""
        if not (fraction.isascii() and fraction.isdigit()):
            fraction = ""
        return date + (f".{fraction[:6]}" if fraction else "") + (offset if _OFFSET.fullmatch(offset) else "")
    return None


def position(gps: Ifd) -> tuple[float, float] | tuple[None, None]:
    """Give latitude and longitude in signed degrees: both or none, and never the 0, 0 of a receiver without a fix."""
    lat = _degrees(gps.get(_LAT), text(gps.get(_LAT_REF)), "S", 90)
    lon = _degrees(gps.get(_LON), text(gps.get(_LON_REF)), "W", 180)
    if lat is None or lon is None or (lat == 0 and lon == 0):
        return None, None
    return lat, lon


def text(value: object) -> str | None:
    """Give a tag as text: up to the first NUL, blanks folded, nothing unprintable; None when nothing is left."""
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    value = " ".join(value.split("\0", 1)[0].split())
    value = "".join(letter for letter in value if letter.isprintable() and letter != "\ufffd").strip()
    return value[:_MAX_TEXT] or None


def _brand(make: object, model: object) -> str | None:
    """Join maker and model; "Canon" + "Canon EOS 6D" and "NIKON CORPORATION" + "NIKON D90" name the maker once."""
    maker, name = text(make), text(model)
    if maker is None or name is None:
        return name or maker
    repeated = name.casefold().startswith(maker.split()[0].casefold())
    return name if repeated else f"{maker} {name}"


def _date(value: str | None) -> str | None:
    found = _DATE.match(value or "")
    if not found:
        return None
    try:
        date = datetime(*(int(part) for part in found.groups()))  # type: ignore[arg-type] # noqa: DTZ001
    except ValueError:  # 0000:00:00 of a camera whose clock was never set, month 13, second 60
        return None
    return None if date == _EPOCH else date.isoformat()


def _degrees(value: object, ref: str | None, negative: str, limit: int) -> float | None:
    parts = value if isinstance(value, tuple | list) else (value,)
    numbers = [_number(part) for part in parts[:3]]
    if not numbers or numbers[0] is None:
        return None
    # "48/1 23.5/1 0/0" is legal practice: minutes with decimals and seconds left out.
    degrees = sum(number / 60**power for power, number in enumerate(numbers) if number is not None)
    if ref is not None and ref.upper().startswith(negative):
        degrees = -degrees
    return round(degrees, 7) if abs(degrees) <= limit else None


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


# Pillow's view of EXIF, handed on as facts: the one place where odd metadata may raise, and it never gets out.


_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825


@dataclass(frozen=True, slots=True)
class Tags:
    """The facts, and the orientation as told: None where the file tells none that exists."""

    facts: Facts
    orientation: int | None


def of_image(im: Image.Image, found: Kind) -> Tags:
    """Read the tags of an opened image; call it before the pixels are decoded, which closes the file."""
    try:
        tags = described(im.getexif())
    except Exception:  # noqa: BLE001 - metadata never fails a photo
        return Tags(Facts(), None)
    # These are turned by their decoder, whatever a left-over tag says. (A JPEG carried inside JPEG XL is not.)
    turned = found in {"TIFF", "HEIF"} or (found == "JXL" and not getattr(im, "jpeg", False))
    return Tags(tags.facts, None) if turned else tags


def described(tags: Image.Exif) -> Tags:
    """Read main, Exif and GPS directory, each for itself: one that is damaged does not take the others along."""
    exif_ifd: dict[int, object] = {}
    gps_ifd: dict[int, object] = {}
    with contextlib.suppress(Exception):
        exif_ifd = dict(tags.get_ifd(_EXIF_IFD))
    with contextlib.suppress(Exception):
        gps_ifd = dict(tags.get_ifd(_GPS_IFD))
    value = tags.get(_ORIENTATION)
    orientation = value if isinstance(value, int) and value in range(1, 9) else None
    return Tags(read(dict(tags), exif_ifd, gps_ifd), orientation)


def info(size: Size, name: str, facts: Facts) -> PhotoInfo:
    """Join what is known of a photo."""
    return PhotoInfo(
        width=size[0],
        height=size[1],
        format=name,
        taken_at=facts.taken_at,
        camera=facts.camera,
        lens=facts.lens,
        lat=facts.lat,
        lon=facts.lon,
    )
