"""A parsed query, as values: aims rank the photos, filters decide which photos count."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

from phsearch.domain.query.dates import DateTest
from phsearch.domain.query.measures import MeasureTest
from phsearch.domain.query.mistakes import NOWHERE, Place
from phsearch.domain.query.names import NameTest


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words to be similar to, or unlike with a negative weight."""

    text: str
    weight: float = 1.0
    _: KW_ONLY
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Like:
    """A photo to be similar to, or unlike with a negative weight; `path` as written, absolute or not."""

    path: str
    weight: float = 1.0
    _: KW_ONLY
    place: Place = field(default=NOWHERE, compare=False)


Aim = Phrase | Like

Test = DateTest | MeasureTest | NameTest


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of the query: any of `tests` must hold, or none of them if it is negated."""

    key: str
    """A key of wire/filters, e.g. "date"."""
    tests: tuple[Test, ...]
    _: KW_ONLY
    negated: bool = False
    value: str = field(default="", compare=False)
    """The text after the colon, as written."""
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Query:
    """All aims together rank; every filter must hold. Without an aim photos are listed by date."""

    aims: tuple[Aim, ...] = ()
    filters: tuple[Filter, ...] = ()
