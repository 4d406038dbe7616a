"""`near:`: a point of the globe, and how far around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phsearch.domain.language.measures import NUMBER
from phsearch.domain.language.objections import shown, wrong
from phsearch.domain.language.terms import Near

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.language.terms import Place

USUAL_METRES = 5_000.0

_FARTHEST = 20_038_000.0  # half of the way around: nothing is farther away
_DEGREES = re.compile(rf"[+\-−]?{NUMBER}", re.ASCII)  # noqa: RUF001 - the minus sign of maps
_RADIUS = re.compile(rf"({NUMBER})\s*([A-Za-z]*)", re.ASCII)
_METRES = {"m": 1.0, "km": 1_000.0, "mi": 1_609.344}
_RIGHT = "write degrees, latitude first, south and west with a minus, as in near:48.85,2.35 or near:48.85,2.35,10km"


def near(parts: Sequence[str], place: Place) -> Near:
    """Read latitude, longitude and perhaps a radius, 5 km without one. Raises QueryError."""
    if not 2 <= len(parts) <= 3:  # noqa: PLR2004 - a point, or a point and a radius
        raise wrong(place, '"near:" takes a latitude and a longitude, and perhaps a radius', _RIGHT)
    lat, lon = (_degrees(part, place) for part in parts[:2])
    for name, value, most in (("latitude", lat, 90), ("longitude", lon, 180)):
        if abs(value) > most:
            raise wrong(
                place,
                f"the {name} {value:g} is out of range",
                f"it goes from -{most} to {most}; the latitude comes first",
            )
    return Near(lat, lon, _radius(parts[2], parts, place) if parts[2:] else USUAL_METRES)


def _degrees(text: str, place: Place) -> float:
    if not _DEGREES.fullmatch(text):
        raise wrong(place, f'"{shown(text)}" is no number of degrees', _RIGHT)
    return float(text.replace("−", "-"))  # noqa: RUF001 - as above


def _radius(text: str, parts: Sequence[str], place: Place) -> float:
    found = _RADIUS.fullmatch(text)
    if found is None:
        raise wrong(
            place, f'"{shown(text)}" is no radius', f"write e.g. near:{parts[0]},{parts[1]},10km, or 500m or 3mi"
        )
    number, unit = found[1], found[2].lower()
    if unit not in _METRES:
        message = f'"{shown(found[2])}" is no unit of a radius' if unit else f"the radius {number} has no unit"
        raise wrong(place, message, f"write near:{parts[0]},{parts[1]},{number}km, or m or mi for metres or miles")
    metres = float(number) * _METRES[unit]
    if not 0 < metres <= _FARTHEST:
        raise wrong(place, f"the radius {shown(text)} is out of range", "it goes from 1 m to 20,038 km")
    return metres
