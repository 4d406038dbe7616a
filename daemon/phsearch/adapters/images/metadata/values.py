"""Texts, dates and coordinates as programs write them, and as they are kept."""

from __future__ import annotations

import math
import re
from datetime import MAXYEAR, datetime, timedelta
from email.utils import parsedate_to_datetime

_MAX_TEXT = 200
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - programs write it when they know no date
_HOURS, _NOON, _LEAP_SECOND = 24, 12, 60
_DATE = re.compile(r"(\d{4})(?:([:/.-]) ?(\d{1,2})\2 ?(\d{1,2})|(\d{2})(\d{2}))(?!\d)")
_TIME = re.compile(
    r"[T ]?(\d{1,2})(?:: ?([0-5]?\d)(?:: ?([0-6]?\d)(?:[.,](\d{1,9}))?)?|([0-5]\d)([0-5]\d))(?!\d)"
    r"(?: ?([AP])M)? ?(Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_MONTH = re.compile(r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)", re.IGNORECASE)
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d")
_DEGREES = re.compile(
    r"([+-]?\d+(?:\.\d+)?)(?:[, °]+(\d+(?:\.\d+)?))?(?:[, '\u2032]+(\d+(?:\.\d+)?))?[ \"\u2033]*([NSEW]?)",
    re.IGNORECASE,
)


def clean_text(value: object) -> str | None:
    """Return a value as text, or None if nothing is left.

    The text ends at the first NUL, runs of whitespace become one space, and unprintable characters are removed.
    """
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    # No more than is kept can be of use, and a value may have megabytes.
    value = " ".join(value[: 16 * _MAX_TEXT].split("\0", 1)[0].split())
    value = "".join(letter for letter in value if letter.isprintable() and letter != "\ufffd").strip()
    return value[:_MAX_TEXT] or None


def parse_date(value: object, *, fraction: object = None, offset: object = None) -> str | None:
    """Return a date as ISO 8601: a day where no time is stated, an offset from UTC only where one is.

    `fraction` and `offset` are written elsewhere and hold if the date has none. EXIF's hand and ISO's are read, blanks
    in place of zeros, the hour 24, the second 60, twelve hours with AM and PM, and the form of e-mails.
    """
    text = clean_text(value)
    if text is None:
        return None
    found = _DATE.match(text)
    if found is None:
        return _parse_mail_date(text) if _MONTH.search(text) else None
    year, month, day = int(found[1]), int(found[3] or found[5]), int(found[4] or found[6])
    try:
        date = datetime(year, month, day)  # noqa: DTZ001 - the camera's own clock
    except ValueError:  # 0000:00:00 of a camera whose clock was never set, month 13
        return None
    time = _TIME.match(text, found.end())
    since_midnight = _time_of_day(time) if time else None
    if date - _EPOCH + (since_midnight or timedelta()) == timedelta():
        return None
    if time is None or since_midnight is None or date.year == MAXYEAR:
        return date.date().isoformat()
    date += since_midnight
    part = time[4] or clean_text(fraction) or ""
    part = f".{part[:6]}" if part.isascii() and part.isdigit() else ""
    return date.isoformat() + part + _parse_offset(time[8] or clean_text(offset) or "")


def _time_of_day(time: re.Match[str]) -> timedelta | None:
    """Return a time since midnight, None for hour 25 and the like."""
    hour, minute, second = int(time[1]), int(time[2] or time[5] or 0), int(time[3] or time[6] or 0)
    if time[7] and hour <= _NOON:
        hour = hour % _NOON + (_NOON if time[7] in "Pp" else 0)
    if hour > _HOURS or second > _LEAP_SECOND:
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _parse_offset(text: str) -> str:
    if text in ("Z", "z"):
        return "+00:00"
    offset = text if ":" in text else f"{text[:3]}:{text[3:]}"
    return offset if _OFFSET.fullmatch(offset) else ""


def _parse_mail_date(text: str) -> str | None:
    """Return a date such as "Sun, 04 Mar 2018 05:06:07 +0000", which PNG recommends."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return None if date.replace(tzinfo=None) == _EPOCH else date.isoformat()


def parse_position(lat: object, lat_ref: object, lon: object, lon_ref: object) -> tuple[float, float] | None:
    """Return latitude and longitude in signed degrees: both or none, and not the 0, 0 of a receiver without a fix."""
    north = _parse_degrees(lat, clean_text(lat_ref), "S", 90)
    east = _parse_degrees(lon, clean_text(lon_ref), "W", 180)
    return None if north is None or east is None or (north == 0 and east == 0) else (north, east)


def _parse_degrees(value: object, ref: str | None, negative: str, limit: int) -> float | None:
    """Return degrees from up to three numbers or a text such as "48,51.5N"; the sign is the number's or the ref's."""
    if (text := clean_text(value)) is not None:
        found = _DEGREES.fullmatch(text)
        if found is None:
            return None
        value, ref = found.groups()[:3], found[4] or ref
    parts = value if isinstance(value, tuple | list) else (value,)
    numbers = [parse_number(part) for part in parts[:3]]
    if not numbers or numbers[0] is None:
        return None
    # "48/1 23.5/1 0/0" is legal: minutes with decimals and no seconds.
    degrees = sum(abs(number) / 60**power for power, number in enumerate(numbers) if number is not None)
    if math.copysign(1, numbers[0]) < 0 or (ref is not None and ref.upper().startswith(negative)):
        degrees = -degrees
    return round(degrees, 7) if abs(degrees) <= limit else None


def parse_number(value: object) -> float | None:
    """Return a finite number, None for anything else."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def camera_name(make: object, model: object) -> str | None:
    """Join maker and model; "Canon" + "Canon EOS 6D" and "NIKON CORPORATION" + "NIKON D90" name the maker only once."""
    maker, name = clean_text(make), clean_text(model)
    if maker is None or name is None:
        return name or maker
    repeated = name.casefold().startswith(maker.split()[0].casefold())
    return name if repeated else f"{maker} {name}"


def lens_name(make: object, model: object) -> str | None:
    """Join maker and model of a lens, None without a model."""
    return camera_name(make, model) if clean_text(model) else None
