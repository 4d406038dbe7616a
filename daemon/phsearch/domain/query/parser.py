"""What the parts of a query mean: text in, a `Query` out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from phsearch.domain.query.ast import (
    Camera,
    Filter,
    Folder,
    Like,
    Orientation,
    Phrase,
    Place,
    Query,
    Root,
    closest,
    error_at,
    quoted_excerpt,
)
from phsearch.domain.query.dates import Dates
from phsearch.domain.query.lexer import LIKE, Term, Word, tokens
from phsearch.domain.query.text import clean
from phsearch.domain.query.values import near, photo_format, size

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from phsearch.domain.query.ast import Aim, Test
    from phsearch.errors import QueryError

EXAMPLES = {
    "date": "2024-06",
    "before": "2024",
    "after": "2024-06",
    "in": "Holidays",
    "root": "Pictures",
    "camera": '"Pixel 8"',
    "type": "raw",
    "near": "48.85,2.35,10km",
    "orientation": "portrait",
    "size": ">12MP",
}
"""Every filter's key -> an example of a value."""

_KEYS = (LIKE, *EXAMPLES)
_SYNONYMS = {
    "album": "in",
    "device": "camera",
    "dir": "in",
    "ext": "type",
    "folder": "in",
    "format": "type",
    "from": "after",
    "gps": "near",
    "make": "camera",
    "model": "camera",
    "path": "in",
    "since": "after",
    "similar": LIKE,
    "taken": "date",
    "until": "before",
    "when": "date",
    "where": "near",
    "year": "date",
}
"""What others call them, for suggestions."""

_Shape = Literal["portrait", "landscape", "square", "panorama"]
_SHAPES: dict[str, _Shape] = {shape: shape for shape in get_args(_Shape)}


def parse(text: str, today: dt.date) -> Query:
    """Understand a query; `today` is what the word means in dates.

    Raises QueryError for whatever cannot be understood, with its place in characters of `text`.
    """
    parser = _Parser(today)
    for token in tokens(text, EXAMPLES):
        match token:
            case Word():
                parser.words.append(token)
            case Term():
                parser.filters.append(parser.filter(token))
            case Phrase() | Like():
                parser.end_phrase()
                parser.aims.append(token)
    parser.end_phrase()
    if not (parser.aims or parser.filters):
        raise error_at(Place(0, len(text)), "the query is empty", "say what the photo shows, e.g. dog on a beach")
    return Query(tuple(parser.aims), tuple(parser.filters))


class _Parser:
    """A query as far as it has been read."""

    def __init__(self, today: dt.date) -> None:
        dates = Dates(today)
        self.aims: list[Aim] = []
        self.filters: list[Filter] = []
        self.words: list[Word] = []  # with nothing but filters between them
        self._readers: dict[str, Callable[[str, Place], Test]] = {
            "date": dates.taken,
            "before": dates.before,
            "after": dates.after,
            "in": lambda text, _place: Folder(text),
            "root": lambda text, _place: Root(text),
            "camera": lambda text, _place: Camera(clean(text)),
            "type": photo_format,
            "orientation": _orientation,
            "size": size,
        }

    def end_phrase(self) -> None:
        """Make one phrase of the words so far."""
        if self.words:
            place = Place(self.words[0].place.start, self.words[-1].place.end)
            self.aims.append(Phrase(clean(" ".join(word.text for word in self.words)), place=place))
            self.words.clear()

    def filter(self, term: Term) -> Filter:
        """Understand the values of a term."""
        if term.key == "near":  # the one whose commas part numbers, not alternatives
            parts = [part.strip() for value in term.values for part in value.text.split(",")]
            place = Place(term.values[0].place.start, term.values[-1].place.end)
            tests: tuple[Test, ...] = (near(parts, place),)
        elif reader := self._readers.get(term.key):
            tests = tuple(reader(value.text, value.place) for value in term.values)
        else:
            raise _unknown(term)
        return Filter(term.key, tests, term.negated, term.written, term.place)


def _orientation(text: str, place: Place) -> Orientation:
    if shape := _SHAPES.get(text.strip().lower()):
        return Orientation(shape)
    meant = closest(text, _SHAPES)
    hint = f"did you mean orientation:{meant}?" if meant else f"there are {', '.join(_SHAPES)}"
    raise error_at(place, f'"{quoted_excerpt(text)}" is no orientation', hint)


def _unknown(term: Term) -> QueryError:
    key = _SYNONYMS.get(term.key) or closest(term.key, _KEYS)
    filters = f'did you mean "{key}:"?' if key else f"there are {', '.join(_KEYS)}."
    return error_at(
        term.named,
        f'there is no filter "{quoted_excerpt(term.key)}:"',
        f"{filters} To search for the words themselves put them in quotes",
    )
