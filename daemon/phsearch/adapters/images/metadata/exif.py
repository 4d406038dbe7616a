"""Facts from the three directories of EXIF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.adapters.images.metadata.facts import Facts
from phsearch.adapters.images.metadata.values import (
    camera_name,
    clean_text,
    lens_name,
    parse_date,
    parse_number,
    parse_position,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.domain.types import DateSource

    Ifd = Mapping[int, object]

_MAKE, _MODEL = 0x010F, 0x0110
_LENS_MAKE, _LENS_MODEL = 0xA433, 0xA434
# Each date with its sub-second and its offset from UTC.
_DATES: Mapping[DateSource, tuple[int, int, int]] = {
    "exif": (0x9003, 0x9291, 0x9011),
    "exif-digitized": (0x9004, 0x9292, 0x9012),
    "exif-modified": (0x0132, 0x9290, 0x9010),
}
_LAT_REF, _LAT, _LON_REF, _LON, _GPS_TIME, _GPS_DATE = 1, 2, 3, 4, 7, 29


def read_ifds(main: Ifd, exif: Ifd, gps: Ifd) -> Facts:
    """Return the facts of IFD0, the Exif IFD and the GPS IFD."""
    dates: dict[DateSource, str] = {}
    for source, (tag, fraction, offset) in _DATES.items():
        # DateTime belongs in IFD0 and the others in the Exif IFD, but programs write them to either.
        for value in (exif.get(tag), main.get(tag)):
            if date := parse_date(value, fraction=exif.get(fraction), offset=exif.get(offset)):
                dates.setdefault(source, date)
    if date := _gps_date(gps):
        dates["gps"] = date
    lat, lon = parse_position(gps.get(_LAT), gps.get(_LAT_REF), gps.get(_LON), gps.get(_LON_REF)) or (None, None)
    return Facts(
        dates=dates,
        camera=camera_name(main.get(_MAKE), main.get(_MODEL)),
        lens=lens_name(exif.get(_LENS_MAKE), exif.get(_LENS_MODEL)),
        lat=lat,
        lon=lon,
    )


def _gps_date(gps: Ifd) -> str | None:
    day = clean_text(gps.get(_GPS_DATE))
    if day is None:
        return None
    time = gps.get(_GPS_TIME)
    numbers = [parse_number(part) for part in time[:3]] if isinstance(time, tuple | list) else []
    clock = ":".join(f"{int(number):02}" for number in numbers if number is not None)
    return parse_date(f"{day} {clock}", offset="+00:00") or parse_date(day)
