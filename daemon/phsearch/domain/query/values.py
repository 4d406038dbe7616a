"""Numbers: weights of aims, and sizes of photos with their units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from phsearch.domain.query.ast import Format, Near, Size, closest, error_at, quoted_excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.query.ast import Place

# `type:`: names of formats as people know them, and what photos of that format say they are.


_MAKERS = (
    "3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf rw2 rwl sr2 srf srw x3f"  # suffixes
)
RAW = frozenset(name.upper() for name in _MAKERS.split()) | {"RAW"}
"""What a camera's RAW photo may say it is: its suffix, or just RAW."""

_HEIF = frozenset({"HEIC", "HEIF"})  # the same file may be called either
FORMATS: dict[str, frozenset[str]] = {
    **{name.lower(): frozenset({name}) for name in sorted(RAW)},
    "raw": RAW,
    "jpg": frozenset({"JPEG"}),
    "jpeg": frozenset({"JPEG"}),
    "heic": _HEIF,
    "heif": _HEIF,
    "png": frozenset({"PNG"}),
    "webp": frozenset({"WEBP"}),
    "avif": frozenset({"AVIF"}),
    "jxl": frozenset({"JXL"}),
    "jp2": frozenset({"JP2"}),
    "tif": frozenset({"TIFF"}),
    "tiff": frozenset({"TIFF"}),
    "gif": frozenset({"GIF"}),
    "bmp": frozenset({"BMP"}),
}
"""What may be asked for -> the values of `PhotoInfo.format` that are meant."""

_KNOWN = "there are raw, jpeg, heic, png, webp, avif, jxl, tiff, gif, bmp, jp2, and suffixes of RAW files, such as nef"


def photo_format(text: str, place: Place) -> Format:
    """Read the name of a format; it may be written like a suffix, ".nef". Raises QueryError, naming the nearest."""
    name = text.strip().removeprefix("*").removeprefix(".").lower()
    if name in FORMATS:
        return Format(name, FORMATS[name])
    meant = closest(name, FORMATS)
    hint = f"did you mean type:{meant}?" if meant else _KNOWN
    raise error_at(place, f'"{quoted_excerpt(text)}" is no type of photo', hint)


NUMBER = r"(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})"
"""A number without a sign, as a regular expression; to be used with re.ASCII."""

LEAST_WEIGHT, MOST_WEIGHT = 0.01, 10.0

_NUMBER = re.compile(NUMBER, re.ASCII)
_AMOUNT = re.compile(rf"({NUMBER})\s*([A-Za-z]*)", re.ASCII)
_UNITS: dict[str, tuple[Literal["pixels", "side", "bytes"], float]] = {
    "MP": ("pixels", 1e6),
    "px": ("side", 1.0),
    "KB": ("bytes", 1e3),
    "MB": ("bytes", 1e6),
    "GB": ("bytes", 1e9),
}
_WRITTEN = {unit.lower(): unit for unit in _UNITS}
_SIGNS = {">=": ">=", "=>": ">=", "≥": ">=", "<=": "<=", "=<": "<=", "≤": "<=", ">": ">", "<": "<"}
_RIGHT_SIZE = "write e.g. size:>12MP (megapixels), size:<=1920px (the longer side), size:2MB..5MB (the file)"


def weight(text: str, place: Place) -> float:
    """Read what stands after a "^". Raises QueryError for what is no number from 0.01 to 10."""
    if not _NUMBER.fullmatch(text):
        hint = "to keep away write -beach^2" if text.startswith("-") else "write a number, as in beach^2 or beach^0.5"
        raise error_at(
            place,
            f'"^{quoted_excerpt(text)}" is no weight',
            f'{hint}; if the "^" itself is meant, put all of it in quotes',
        )
    if not LEAST_WEIGHT <= float(text) <= MOST_WEIGHT:
        hint = f"weights go from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}; without one it is 1"
        raise error_at(place, f"the weight {quoted_excerpt(text)} is out of range", hint)
    return float(text)


def size(text: str, place: Place) -> Size:
    """Read a comparison, or a range that includes both ends. Raises QueryError."""
    if ".." in text:
        return _between(text, place)
    sign = next((sign for sign in _SIGNS if text.startswith(sign)), "")
    number, unit = _amount(text.removeprefix(sign), place)
    if not unit:
        hint = f"write size:{sign or '>'}{number}MP for megapixels, or px for the longer side, KB, MB, GB for the file"
        raise error_at(place, f'"{quoted_excerpt(text)}" has no unit', hint)
    of, one = _UNITS[unit]
    value, exclusive = float(number) * one, sign in {">", "<"}
    match _SIGNS.get(sign, "")[:1]:
        case ">":
            return Size(of, low=value, exclusive=exclusive)
        case "<":
            return Size(of, high=value, exclusive=exclusive)
        case _:
            hint = f"write size:>{text} for larger, size:<{text} for smaller, or a range such as size:12MP..24MP"
            raise error_at(place, f'"{text}" says neither larger nor smaller', hint)


def _between(text: str, place: Place) -> Size:
    first, _, last = (part.strip() for part in text.partition(".."))
    low, low_unit = _amount(first, place) if first else ("", "")
    high, high_unit = _amount(last, place) if last else ("", "")
    low_unit = low_unit or high_unit  # 12..24MP
    if not (first or last) or (first and not low_unit) or (last and not high_unit):
        raise error_at(
            place, f'"{quoted_excerpt(text)}" has no unit' if first or last else "the range has no ends", _RIGHT_SIZE
        )
    of, one = _UNITS[low_unit]
    least = float(low) * one if first else None
    if not last:
        return Size(of, low=least)
    other, one = _UNITS[high_unit]
    most = float(high) * one
    if other != of:
        raise error_at(
            place, f'"{quoted_excerpt(text)}" mixes two kinds of size', "write two filters, one for each of them"
        )
    if least is not None and least > most:
        raise error_at(
            place, f'"{quoted_excerpt(text)}" ends before it begins', f"write size:{high}{high_unit}..{low}{low_unit}"
        )
    return Size(of, low=least, high=most)


def _amount(text: str, place: Place) -> tuple[str, str]:
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise error_at(
            place, f'"{quoted_excerpt(text)}" is no size' if text.strip() else "the size has no number", _RIGHT_SIZE
        )
    if not found[2]:
        return found[1], ""
    unit = _WRITTEN.get(found[2].lower())
    if unit is None:
        meant = closest(found[2], _WRITTEN)
        hint = f"did you mean {found[1]}{_WRITTEN[meant]}?" if meant else "there are MP, px, KB, MB and GB"
        raise error_at(place, f'"{quoted_excerpt(found[2])}" is no unit of size', hint)
    return found[1], unit


# `near:`: a point of the globe, and how far around it.


USUAL_METRES = 5_000.0

_FARTHEST = 20_038_000.0  # half of the way around: nothing is farther away
_DEGREES = re.compile(rf"[+\-−]?{NUMBER}", re.ASCII)  # noqa: RUF001 - the minus sign of maps
_RADIUS = re.compile(rf"({NUMBER})\s*([A-Za-z]*)", re.ASCII)
_METRES = {"m": 1.0, "km": 1_000.0, "mi": 1_609.344}
_RIGHT_PLACE = (
    "write degrees, latitude first, south and west with a minus, as in near:48.85,2.35 or near:48.85,2.35,10km"
)


def near(parts: Sequence[str], place: Place) -> Near:
    """Read latitude, longitude and perhaps a radius, 5 km without one. Raises QueryError."""
    if not 2 <= len(parts) <= 3:  # noqa: PLR2004 - a point, or a point and a radius
        raise error_at(place, '"near:" takes a latitude and a longitude, and perhaps a radius', _RIGHT_PLACE)
    lat, lon = (_degrees(part, place) for part in parts[:2])
    for name, value, most in (("latitude", lat, 90), ("longitude", lon, 180)):
        if abs(value) > most:
            raise error_at(
                place,
                f"the {name} {value:g} is out of range",
                f"it goes from -{most} to {most}; the latitude comes first",
            )
    return Near(lat, lon, _radius(parts[2], parts, place) if parts[2:] else USUAL_METRES)


def _degrees(text: str, place: Place) -> float:
    if not _DEGREES.fullmatch(text):
        raise error_at(place, f'"{quoted_excerpt(text)}" is no number of degrees', _RIGHT_PLACE)
    return float(text.replace("−", "-"))  # noqa: RUF001 - as above


def _radius(text: str, parts: Sequence[str], place: Place) -> float:
    found = _RADIUS.fullmatch(text)
    if found is None:
        raise error_at(
            place,
            f'"{quoted_excerpt(text)}" is no radius',
            f"write e.g. near:{parts[0]},{parts[1]},10km, or 500m or 3mi",
        )
    number, unit = found[1], found[2].lower()
    if unit not in _METRES:
        message = f'"{quoted_excerpt(found[2])}" is no unit of a radius' if unit else f"the radius {number} has no unit"
        raise error_at(place, message, f"write near:{parts[0]},{parts[1]},{number}km, or m or mi for metres or miles")
    metres = float(number) * _METRES[unit]
    if not 0 < metres <= _FARTHEST:
        raise error_at(place, f"the radius {quoted_excerpt(text)} is out of range", "it goes from 1 m to 20,038 km")
    return metres
