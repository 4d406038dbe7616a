"""Numbers: weights of aims, and sizes of photos with their units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from phsearch.domain.language.objections import closest, shown, wrong
from phsearch.domain.language.terms import Size

if TYPE_CHECKING:
    from phsearch.domain.language.terms import Place

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
_RIGHT = "write e.g. size:>12MP (megapixels), size:<=1920px (the longer side), size:2MB..5MB (the file)"


def weight(text: str, place: Place) -> float:
    """Read what stands after a "^". Raises QueryError for what is no number from 0.01 to 10."""
    if not _NUMBER.fullmatch(text):
        hint = "to keep away write -beach^2" if text.startswith("-") else "write a number, as in beach^2 or beach^0.5"
        raise wrong(
            place, f'"^{shown(text)}" is no weight', f'{hint}; if the "^" itself is meant, put all of it in quotes'
        )
    if not LEAST_WEIGHT <= float(text) <= MOST_WEIGHT:
        hint = f"weights go from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}; without one it is 1"
        raise wrong(place, f"the weight {shown(text)} is out of range", hint)
    return float(text)


def size(text: str, place: Place) -> Size:
    """Read a comparison, or a range that includes both ends. Raises QueryError."""
    if ".." in text:
        return _between(text, place)
    sign = next((sign for sign in _SIGNS if text.startswith(sign)), "")
    number, unit = _amount(text.removeprefix(sign), place)
    if not unit:
        hint = f"write size:{sign or '>'}{number}MP for megapixels, or px for the longer side, KB, MB, GB for the file"
        raise wrong(place, f'"{shown(text)}" has no unit', hint)
    of, one = _UNITS[unit]
    value, exclusive = float(number) * one, sign in {">", "<"}
    match _SIGNS.get(sign, "")[:1]:
        case ">":
            return Size(of, low=value, exclusive=exclusive)
        case "<":
            return Size(of, high=value, exclusive=exclusive)
        case _:
            hint = f"write size:>{text} for larger, size:<{text} for smaller, or a range such as size:12MP..24MP"
            raise wrong(place, f'"{text}" says neither larger nor smaller', hint)


def _between(text: str, place: Place) -> Size:
    first, _, last = (part.strip() for part in text.partition(".."))
    low, low_unit = _amount(first, place) if first else ("", "")
    high, high_unit = _amount(last, place) if last else ("", "")
    low_unit = low_unit or high_unit  # 12..24MP
    if not (first or last) or (first and not low_unit) or (last and not high_unit):
        raise wrong(place, f'"{shown(text)}" has no unit' if first or last else "the range has no ends", _RIGHT)
    of, one = _UNITS[low_unit]
    least = float(low) * one if first else None
    if not last:
        return Size(of, low=least)
    other, one = _UNITS[high_unit]
    most = float(high) * one
    if other != of:
        raise wrong(place, f'"{shown(text)}" mixes two kinds of size', "write two filters, one for each of them")
    if least is not None and least > most:
        raise wrong(place, f'"{shown(text)}" ends before it begins', f"write size:{high}{high_unit}..{low}{low_unit}")
    return Size(of, low=least, high=most)


def _amount(text: str, place: Place) -> tuple[str, str]:
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise wrong(place, f'"{shown(text)}" is no size' if text.strip() else "the size has no number", _RIGHT)
    if not found[2]:
        return found[1], ""
    unit = _WRITTEN.get(found[2].lower())
    if unit is None:
        meant = closest(found[2], _WRITTEN)
        hint = f"did you mean {found[1]}{_WRITTEN[meant]}?" if meant else "there are MP, px, KB, MB and GB"
        raise wrong(place, f'"{shown(found[2])}" is no unit of size', hint)
    return found[1], unit
