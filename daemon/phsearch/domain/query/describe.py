"""What the filters of a query say, for the person who wrote it."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.query.ast import Camera, Folder, Format, Near, Orientation, Root, Size, TakenBetween, Undated

if TYPE_CHECKING:
    from phsearch.domain.query.ast import Query, Test

_KEYS = {"date": "when", "before": "when", "after": "when"}
_DAY = dt.timedelta(days=1)
_UNITS = {"pixels": ("MP", 1e6), "side": ("px", 1.0)}
_OF_FILES = (("GB", 1e9), ("MB", 1e6), ("KB", 1e3))


@dataclass(frozen=True, slots=True)
class FilterText:
    """One filter in words: "when", "2024-06..2024-08"; `negated` where photos like that are left out."""

    key: str
    value: str
    negated: bool


def describe(query: Query) -> tuple[FilterText, ...]:
    """Say what each filter of the query asks for, in their order."""
    return tuple(
        FilterText(_KEYS.get(term.key, term.key), " or ".join(map(_test_text, term.tests)), term.negated)
        for term in query.filters
    )


def _test_text(test: Test) -> str:
    match test:
        case TakenBetween(start, end):
            return _period(start, end)
        case Undated():
            return "no date known"
        case Folder(text) | Root(text) | Camera(text) | Orientation(text):
            return text
        case Format(name):
            return name.upper()
        case Near(lat, lon, metres):
            radius = f"{metres / 1000:.6g} km" if metres >= 1000 else f"{metres:.6g} m"  # noqa: PLR2004 - a kilometre
            return f"at most {radius} from {lat:.10g}, {lon:.10g}"
        case Size():
            return _size(test)


def _period(start: dt.datetime | None, end: dt.datetime | None) -> str:
    if start and end:
        length = _length(start, end)
        first, last = start.isoformat()[:length], (end - _DAY).isoformat()[:length]
        return first if first == last else f"{first}..{last}"
    if start:
        return f"from {start.isoformat()[: _length(start)]}"
    return f"before {end.isoformat()[: _length(end)]}" if end else "any date"


def _length(*edges: dt.datetime) -> int:
    # As much of YYYY-MM-DD as it takes: a period of whole years is named by years, of whole months by months.
    if any(edge.day > 1 for edge in edges):
        return len("2024-06-01")
    return len("2024-06") if any(edge.month > 1 for edge in edges) else len("2024")


def _size(size: Size) -> str:
    unit, one = _unit(size)
    low, high = (value if value is None else f"{value / one:.10g}" for value in (size.low, size.high))
    side = "longer side " if size.of == "side" else ""
    if low and high:
        return f"{side}{low} to {high} {unit}"
    if low:
        return f"{side}{'over' if size.exclusive else 'at least'} {low} {unit}"
    return f"{side}{'under' if size.exclusive else 'at most'} {high} {unit}" if high else f"{side}any size"


def _unit(size: Size) -> tuple[str, float]:
    if size.of != "bytes":
        return _UNITS[size.of]
    least = min(value for value in (size.low, size.high, math.inf) if value is not None)
    return next(((unit, one) for unit, one in _OF_FILES if least >= one), _OF_FILES[-1])
