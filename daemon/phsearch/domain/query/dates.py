"""Filters by date, as people write dates: a year, a month or a day is a period, and a range includes its last one."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.query.mistakes import closest, error_at, quoted_excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from phsearch.domain.query.mistakes import Place
    from phsearch.errors import QueryError

FIRST_YEAR, LAST_YEAR = 1800, 2199

_PERIOD = re.compile(r"(\d{4})(?:([-/.])(\d{1,2})(?:\2(\d{1,2}))?)?", re.ASCII)
_RANGE = re.compile(r"\.{2,3}|…")
_NAMED = {"today": 0, "yesterday": 1}  # -> how many days ago
_NONE = "none"

# Not dates here, but what they mean can be guessed.
_BACKWARDS = re.compile(r"(?:(\d{1,2})[-/.])?(\d{1,2})[-/.](\d{4})", re.ASCII)
_SOLID = re.compile(r"(\d{4})(\d\d)(\d\d)?", re.ASCII)
_DASHED = re.compile(r"(\d{4}(?:-\d\d)?)[-–—~〜](\d{4}(?:-\d\d)?)", re.ASCII)  # noqa: RUF001 - as they are typed


_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TakenBetween:
    """Taken from `start` on and before `end`, by the clock of the camera; None is open."""

    start: dt.datetime | None
    end: dt.datetime | None

    def text(self) -> str:
        """Return what it asks for, in words."""
        if self.start and self.end:
            length = _date_length(self.start, self.end)
            first, last = self.start.isoformat()[:length], (self.end - _DAY).isoformat()[:length]
            return first if first == last else f"{first}..{last}"
        if self.start:
            return f"from {self.start.isoformat()[: _date_length(self.start)]}"
        return f"before {self.end.isoformat()[: _date_length(self.end)]}" if self.end else "any date"


@dataclass(frozen=True, slots=True)
class Undated:
    """No date is known."""

    def text(self) -> str:
        """Return what it asks for, in words."""
        return "no date known"


DateTest = TakenBetween | Undated


def _date_length(*edges: dt.datetime) -> int:
    # As much of YYYY-MM-DD as is needed: years name a period of whole years, months one of whole months.
    if any(edge.day > 1 for edge in edges):
        return len("2024-06-01")
    return len("2024-06") if any(edge.month > 1 for edge in edges) else len("2024")


def parsers(today: dt.date) -> Mapping[str, Callable[[str, Place], DateTest]]:
    """Return the parsers of one value and its place, by key; `today` is what that word means."""
    dates = _Dates(today)
    return {"date": dates.taken, "before": dates.before, "after": dates.after}


@dataclass(frozen=True, slots=True)
class _Period:
    """From midnight at the start of `first` to before midnight at the start of `after`."""

    first: dt.date
    after: dt.date


class _Dates:
    """Parses the values of `date:`, `before:` and `after:`."""

    def __init__(self, today: dt.date) -> None:
        self._today = today

    def taken(self, text: str, place: Place) -> DateTest:
        """Parse a period, a range of two, which may be open, or "none". Raises QueryError."""
        if text.strip().lower() == _NONE:
            return Undated()
        first, *others = (part.strip() for part in _RANGE.split(text))
        if not others:
            period = self._period(first, place, "date")
            return TakenBetween(_midnight(period.first), _midnight(period.after))
        if len(others) > 1 or not (first or others[0]):
            hint = "write date:2023-06..2023-09, or date:2023.. or date:..2023, which are open on one side"
            raise error_at(place, f'"{quoted_excerpt(text)}" is no range of dates', hint)
        last = others[0]
        start = self._period(first, place, "date").first if first else None
        end = self._period(last, place, "date").after if last else None
        if start and end and start >= end:
            raise error_at(place, f'"{quoted_excerpt(text)}" ends before it begins', f"write date:{last}..{first}")
        return TakenBetween(_midnight(start) if start else None, _midnight(end) if end else None)

    def before(self, text: str, place: Place) -> TakenBetween:
        """Parse a period: photos were taken before it begins. Raises QueryError."""
        return TakenBetween(None, _midnight(self._single_period(text, place, "before").first))

    def after(self, text: str, place: Place) -> TakenBetween:
        """Parse a period: photos were taken after it is over. Raises QueryError."""
        return TakenBetween(_midnight(self._single_period(text, place, "after").after), None)

    def _single_period(self, text: str, place: Place, key: str) -> _Period:
        if _RANGE.search(text):
            hint = f"write {key}:2023-06, or date:2023-06..2023-09"
            raise error_at(place, f'"{key}:" takes one date, not a range', hint)
        return self._period(text.strip(), place, key)

    def _period(self, text: str, place: Place, key: str) -> _Period:
        if (ago := _NAMED.get(text.lower())) is not None:
            return _day(self._today - ago * _DAY)
        match = _PERIOD.fullmatch(text)
        if match is None:
            raise _no_date(text, place, key)
        year, month, day = int(match[1]), int(match[3] or 0), int(match[4] or 0)
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise error_at(place, f"the year {year} is out of range", f"years go from {FIRST_YEAR} to {LAST_YEAR}")
        if match[3] is None:
            return _Period(dt.date(year, 1, 1), dt.date(year + 1, 1, 1))
        if not 1 <= month <= 12:  # noqa: PLR2004 - of a year
            raise error_at(place, f'"{text}" has no such month', f"months go from 01 to 12, as in {key}:{year}-06")
        days = calendar.monthrange(year, month)[1]
        if match[4] is None:
            return _Period(dt.date(year, month, 1), dt.date(year, month, days) + _DAY)
        if not 1 <= day <= days:
            last = f"{year}-{month:02}-{days}"
            raise error_at(place, f'"{text}" has no such day', f"that month ends with {key}:{last}")
        return _day(dt.date(year, month, day))


def _day(day: dt.date) -> _Period:
    return _Period(day, day + _DAY)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day)  # noqa: DTZ001 - by the camera's clock, which has no zone


def _no_date(text: str, place: Place, key: str) -> QueryError:
    forms = list(_meant(text, key)) or ["2024", "2024-06", "2024-06-01", "today"]
    return error_at(
        place, f'"{quoted_excerpt(text)}" is no date', f"write {' or '.join(f'{key}:{form}' for form in forms)}"
    )


def _meant(text: str, key: str) -> Iterator[str]:
    """Yield what `text` probably means, in the right form."""
    if match := _BACKWARDS.fullmatch(text):
        one, other, year = match.groups()
        pairs = [(other, one), (one, other)] if one else [(other, None)]
        yield from dict.fromkeys(form for month, day in pairs if (form := _form(year, month, day)))
    elif match := _SOLID.fullmatch(text):
        if form := _form(*match.groups()):
            yield form
    elif (match := _DASHED.fullmatch(text)) and key == "date":
        if match[1] < match[2]:
            yield f"{match[1]}..{match[2]}"
    elif named := closest(text, (*_NAMED, _NONE) if key == "date" else _NAMED):
        yield named


def _form(year: str, month: str, day: str | None) -> str | None:
    try:
        dt.date(int(year), int(month), int(day or 1))
    except ValueError:
        return None
    return "-".join((year, *(part.zfill(2) for part in (month, day) if part)))
