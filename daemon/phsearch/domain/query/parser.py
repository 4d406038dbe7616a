"""Parses a query: text in, a `Query` out, and the filters that were understood in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.query import dates, measures, names
from phsearch.domain.query.ast import Filter, Like, Phrase, Query
from phsearch.domain.query.lexer import Term, Value, Word, clean, tokens
from phsearch.domain.query.mistakes import Place, closest, error_at, quoted_excerpt
from phsearch.wire.filters import FILTERS, TERMS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from phsearch.domain.query.ast import Aim, Test
    from phsearch.errors import QueryError

    ValueParser = Callable[[str, Place], Test]

_KEY_OF_SYNONYM = {synonym: term.key for term in TERMS.values() for synonym in term.synonyms}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterText:
    """One filter in words: "when", "2024-06..2024-08"; if it is negated, such photos are left out."""

    key: str
    value: str
    negated: bool


def value_parsers(today: dt.date, cwd: str | None = None, *, quoted: bool = False) -> Mapping[str, ValueParser]:
    """Return the parser of a value and its place for each filter, by key; `quoted` is whether it stood in quotes."""
    return {**dates.parsers(today), **measures.PARSERS, **names.parsers(cwd, quoted=quoted)}


def parse(text: str, today: dt.date, cwd: str | None = None) -> Query:
    """Parse a query; `today` is what that word means in dates, and a folder that begins with "./" begins at `cwd`.

    Raises QueryError for the first mistake, with its place in characters of `text`.
    """
    aims: list[Aim] = []
    filters: list[Filter] = []
    words: list[Word] = []  # with nothing but filters between them
    for token in tokens(text):
        match token:
            case Word():
                words.append(token)
            case Term():
                filters.append(_filter(token, today, cwd))
            case Phrase() | Like():
                aims += _phrase(words)
                words.clear()
                aims.append(token)
    aims += _phrase(words)
    if not (aims or filters):
        raise error_at(Place(0, len(text)), "the query is empty", "say what the photo shows, e.g. dog on a beach")
    return Query(tuple(aims), tuple(filters))


def _phrase(words: list[Word]) -> list[Phrase]:
    """Return the words as one phrase; none if there are no words."""
    if not words:
        return []
    place = Place(words[0].place.start, words[-1].place.end)
    return [Phrase(clean(" ".join(word.text for word in words)), place=place)]


def _filter(term: Term, today: dt.date, cwd: str | None) -> Filter:
    if term.key not in FILTERS:
        raise _unknown(term)
    values = (_joined(term.values),) if FILTERS[term.key].single else term.values
    tests = tuple(value_parsers(today, cwd, quoted=value.quoted)[term.key](value.text, value.place) for value in values)
    return Filter(term.key, tests, negated=term.negated, value=term.written, place=term.place)


def _joined(values: tuple[Value, ...]) -> Value:
    return Value(",".join(value.text for value in values), Place(values[0].place.start, values[-1].place.end))


def _unknown(term: Term) -> QueryError:
    key = _KEY_OF_SYNONYM.get(term.key) or closest(term.key, TERMS)
    filters = f'did you mean "{key}:"?' if key else f"there are {', '.join(TERMS)}."
    return error_at(
        term.key_place,
        f'there is no filter "{quoted_excerpt(term.key)}:"',
        f"{filters} To search for the words themselves put them in quotes",
    )


def describe(query: Query) -> tuple[FilterText, ...]:
    """Return what each filter of the query asks for, in their order."""
    return tuple(
        FilterText(
            key=FILTERS[term.key].label or term.key,
            value=" or ".join(test.text() for test in term.tests),
            negated=term.negated,
        )
        for term in query.filters
    )
