"""Filters whose values are numbers with units: sizes, and distances from a point on the earth."""

from __future__ import annotations

import math
import re
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal

from phsearch.domain.query.mistakes import closest, error_at, quoted_excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.query.mistakes import Place

NUMBER = r"(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})"
"""A number without a sign, as a regular expression to be used with re.ASCII."""

_AMOUNT = re.compile(rf"({NUMBER})\s*([A-Za-z]*)", re.ASCII)

_SizeOf = Literal["pixels", "side", "bytes"]
_SIZE_UNITS: dict[str, tuple[_SizeOf, float]] = {
    "MP": ("pixels", 1e6),
    "px": ("side", 1.0),
    "KB": ("bytes", 1e3),
    "MB": ("bytes", 1e6),
    "GB": ("bytes", 1e9),
}
_UNIT_NAMES = {unit.lower(): unit for unit in _SIZE_UNITS}
_BYTE_UNITS = ("GB", "MB", "KB")
_COMPARISONS = {">=": ">=", "=>": ">=", "≥": ">=", "<=": "<=", "=<": "<=", "≤": "<=", ">": ">", "<": "<"}
_SIZE_HINT = "write e.g. size:>12MP (megapixels), size:<=1920px (the longer side), size:2MB..5MB (the file)"

USUAL_METRES = 5_000.0
_MAX_METRES = 20_038_000.0  # half of the way around: nothing is farther away
_DEGREES = re.compile(rf"[+\-−]?{NUMBER}", re.ASCII)  # noqa: RUF001 - the minus sign of maps
_METRES = {"m": 1.0, "km": 1_000.0, "mi": 1_609.344}
_NEAR_HINT = "write degrees, latitude first, south and west with a minus, as in near:48.85,2.35 or near:48.85,2.35,10km"


@dataclass(frozen=True, slots=True)
class Size:
    """At least `low` and at most `high`, or above `low` and below `high` if exclusive; None is open.

    It is of "pixels" (width times height), of "side" (the longer one, in pixels) or of "bytes" (of the file).
    """

    of: _SizeOf
    _: KW_ONLY
    low: float | None = None
    high: float | None = None
    exclusive: bool = False

    def text(self) -> str:
        """Return what it asks for, in words."""
        unit = self._unit()
        one = _SIZE_UNITS[unit][1]
        low, high = (None if bound is None else f"{bound / one:.10g}" for bound in (self.low, self.high))
        side = "longer side " if self.of == "side" else ""
        if low and high:
            return f"{side}{low} to {high} {unit}"
        if low:
            return f"{side}{'over' if self.exclusive else 'at least'} {low} {unit}"
        return f"{side}{'under' if self.exclusive else 'at most'} {high} {unit}" if high else f"{side}any size"

    def _unit(self) -> str:
        if self.of != "bytes":
            return "MP" if self.of == "pixels" else "px"
        smaller = min(bound for bound in (self.low, self.high, math.inf) if bound is not None)
        return next((unit for unit in _BYTE_UNITS if smaller >= _SIZE_UNITS[unit][1]), _BYTE_UNITS[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """Taken at most so many metres from a point, in degrees."""

    lat: float
    lon: float
    metres: float

    def text(self) -> str:
        """Return what it asks for, in words."""
        kilometre = _METRES["km"]
        radius = f"{self.metres / kilometre:.6g} km" if self.metres >= kilometre else f"{self.metres:.6g} m"
        return f"at most {radius} from {self.lat:.10g}, {self.lon:.10g}"


def _size(text: str, place: Place) -> Size:
    """Parse a comparison, or a range that includes both ends. Raises QueryError."""
    if ".." in text:
        return _size_range(text, place)
    sign = next((sign for sign in _COMPARISONS if text.startswith(sign)), "")
    number, unit = _amount(text.removeprefix(sign), place)
    if not unit:
        hint = f"write size:{sign or '>'}{number}MP for megapixels, or px for the longer side, KB, MB, GB for the file"
        raise error_at(place, f'"{quoted_excerpt(text)}" has no unit', hint)
    of, one = _SIZE_UNITS[unit]
    bound, exclusive = float(number) * one, sign in {">", "<"}
    match _COMPARISONS.get(sign, "")[:1]:
        case ">":
            return Size(of, low=bound, exclusive=exclusive)
        case "<":
            return Size(of, high=bound, exclusive=exclusive)
        case _:
            hint = f"write size:>{text} for larger, size:<{text} for smaller, or a range such as size:12MP..24MP"
            raise error_at(place, f'"{text}" says neither larger nor smaller', hint)


def _size_range(text: str, place: Place) -> Size:
    first, _, last = (part.strip() for part in text.partition(".."))
    low, low_unit = _amount(first, place) if first else ("", "")
    high, high_unit = _amount(last, place) if last else ("", "")
    low_unit = low_unit or high_unit  # 12..24MP
    if not (first or last):
        raise error_at(place, "the range has no ends", _SIZE_HINT)
    if (first and not low_unit) or (last and not high_unit):
        raise error_at(place, f'"{quoted_excerpt(text)}" has no unit', _SIZE_HINT)
    of, one = _SIZE_UNITS[low_unit]
    low_bound = float(low) * one if first else None
    if not last:
        return Size(of, low=low_bound)
    other, one = _SIZE_UNITS[high_unit]
    high_bound = float(high) * one
    if other != of:
        hint = "write two filters, one for each of them"
        raise error_at(place, f'"{quoted_excerpt(text)}" mixes two kinds of size', hint)
    if low_bound is not None and low_bound > high_bound:
        hint = f"write size:{high}{high_unit}..{low}{low_unit}"
        raise error_at(place, f'"{quoted_excerpt(text)}" ends before it begins', hint)
    return Size(of, low=low_bound, high=high_bound)


def _amount(text: str, place: Place) -> tuple[str, str]:
    """Return the number and the unit, "" without one."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        message = f'"{quoted_excerpt(text)}" is no size' if text.strip() else "the size has no number"
        raise error_at(place, message, _SIZE_HINT)
    number, written = match.groups()
    if not written:
        return number, ""
    unit = _UNIT_NAMES.get(written.lower())
    if unit is None:
        meant = closest(written, _UNIT_NAMES)
        hint = f"did you mean {number}{_UNIT_NAMES[meant]}?" if meant else "there are MP, px, KB, MB and GB"
        raise error_at(place, f'"{quoted_excerpt(written)}" is no unit of size', hint)
    return number, unit


def _near(text: str, place: Place) -> Near:
    """Parse latitude, longitude and perhaps a radius, 5 km without one. Raises QueryError."""
    parts = [part.strip() for part in text.split(",")]
    if not 2 <= len(parts) <= 3:  # noqa: PLR2004 - a point, or a point and a radius
        raise error_at(place, '"near:" takes a latitude and a longitude, and perhaps a radius', _NEAR_HINT)
    lat, lon = (_degrees(part, place) for part in parts[:2])
    for name, degrees, most in (("latitude", lat, 90), ("longitude", lon, 180)):
        if abs(degrees) > most:
            hint = f"it goes from -{most} to {most}; the latitude comes first"
            raise error_at(place, f"the {name} {degrees:g} is out of range", hint)
    return Near(lat=lat, lon=lon, metres=_radius(parts, place) if parts[2:] else USUAL_METRES)


def _degrees(text: str, place: Place) -> float:
    if not _DEGREES.fullmatch(text):
        raise error_at(place, f'"{quoted_excerpt(text)}" is no number of degrees', _NEAR_HINT)
    return float(text.replace("−", "-"))  # noqa: RUF001 - as above


def _radius(parts: Sequence[str], place: Place) -> float:
    lat, lon, text = parts
    match = _AMOUNT.fullmatch(text)
    if match is None:
        hint = f"write e.g. near:{lat},{lon},10km, or 500m or 3mi"
        raise error_at(place, f'"{quoted_excerpt(text)}" is no radius', hint)
    number, unit = match[1], match[2].lower()
    if unit not in _METRES:
        message = f'"{quoted_excerpt(match[2])}" is no unit of a radius' if unit else f"the radius {number} has no unit"
        raise error_at(place, message, f"write near:{lat},{lon},{number}km, or m or mi for metres or miles")
    metres = float(number) * _METRES[unit]
    if not 0 < metres <= _MAX_METRES:
        raise error_at(place, f"the radius {quoted_excerpt(text)} is out of range", "it goes from 1 m to 20,038 km")
    return metres


MeasureTest = Size | Near

PARSERS: dict[str, Callable[[str, Place], MeasureTest]] = {"size": _size, "near": _near}
"""Key -> the parser of one value and its place."""
