"""A query taken apart: bare words, phrases, photos to be like, and filters whose values are not yet understood.

Places are in characters of the text as it was written: nothing is normalised before it has been taken apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.query.ast import Like, Phrase, Place, error_at, quoted_excerpt
from phsearch.domain.query.text import clean
from phsearch.domain.query.values import weight

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phsearch.errors import QueryError

# Quotes: what stands in them is text, whatever it is.


CLOSING = {'"': '"', "“": "”", "”": "”", "„": "“”", "«": "»", "»": "«»"}
"""What opens a quoted text -> what may close it. The apostrophe is none, for it stands in words."""

QUOTES = "".join(CLOSING)

_ESCAPED = re.compile(rf"\\([\\{QUOTES}])")
_INSIDE = {
    opening: re.compile(rf"((?:[^{closing}\\]|\\.)*+)[{closing}]", re.DOTALL) for opening, closing in CLOSING.items()
}


def quoted(text: str) -> str:
    """Write `text` so that the parser takes it as one value, or as one phrase."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquoted(text: str, start: int) -> tuple[str, int] | None:
    """Read the quoted text that opens at `start`: what it says, and where it is over. None if it is never closed.

    A backslash before a quote or another backslash takes away its meaning; before anything else it is itself.
    """
    found = _INSIDE[text[start]].match(text, start + 1)
    return found and (_ESCAPED.sub(r"\1", found[1]), found.end())


LIKE = "like"

_BLANKS = re.compile(r"\s*")
_KEY = re.compile(r"([A-Za-z]+):")
_WORD = re.compile(rf"[^\s{QUOTES}]*")
_ITEM = re.compile(rf"[^\s,{QUOTES}]*")
_UNWEIGHTED = re.compile(rf"[^\s^{QUOTES}]*")


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word, which makes one phrase with those beside it."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Value:
    """One of the alternatives after a key."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Term:
    """A key, in small letters, and its alternatives, at least one; `written` is all that stands after the colon."""

    key: str
    values: tuple[Value, ...]
    negated: bool
    written: str
    place: Place
    named: Place
    """Where the key is, without its sign."""


def tokens(text: str, keys: Mapping[str, str]) -> Iterator[Word | Phrase | Like | Term]:
    """Take `text` apart, from left to right. Raises QueryError at the first thing that is malformed.

    `keys` gives an example of a value for each key that is known. Letters with a colon are a key if it is one of
    these, or if something follows but "//", as in an address.
    """
    at = _end(_BLANKS, text, 0)
    while at < len(text):
        token = _token(text, at, keys)
        yield token
        at = token.place.end
        if at < len(text) and not text[at].isspace():
            raise _joined(text, at)
        at = _end(_BLANKS, text, at)


def _token(text: str, start: int, keys: Mapping[str, str]) -> Word | Phrase | Like | Term:
    at = _after_sign(text, start)
    if key := _KEY.match(text, at):
        name = key[1].lower()
        if name == LIKE:
            return _like(text, start, key.end())
        if name in keys or not (_blank(text, key.end()) or text.startswith("//", key.end())):
            return _term(text, start, at, key.end(), name, keys.get(name, ""))
    return _phrase(text, start, at)


def _after_sign(text: str, start: int) -> int:
    sign = text[start]
    if sign not in "+-":
        return start
    if _blank(text, start + 1):
        hint = f"write {sign}word without a blank; to search for the sign itself, put it in quotes"
        raise error_at(Place(start, start + 1), f'nothing follows the "{sign}"', hint)
    if text[start + 1] in "+-":
        hint = "one is enough, as in -people; to search for the signs themselves, put them in quotes"
        raise error_at(Place(start, start + 2), f'"{text[start : start + 2]}" is two signs', hint)
    return start + 1


def _phrase(text: str, start: int, at: int) -> Word | Phrase:
    if text[at] in QUOTES:
        said, end = _quoted(text, at)
        by, end = _weight(text, end)
    else:
        over = _end(_UNWEIGHTED, text, at)
        said = text[at:over]
        by, end = _weight(text, over)
        if by is None and at == start:
            return Word(said, Place(start, end))
        if not said:
            raise error_at(Place(at, end), 'nothing stands before the "^"', "write the word first, as in beach^2")
    return Phrase(clean(said), _signed(text, start, by), Place(start, end))


def _like(text: str, start: int, at: int) -> Like:
    if _blank(text, at):
        raise _empty(text, start, at, LIKE, "beach.jpg")
    if text[at] in QUOTES:
        path, end = _quoted(text, at)
    else:
        end = _end(_UNWEIGHTED, text, at)
        path = text[at:end]
    by, end = _weight(text, end)
    if not path:
        raise error_at(Place(start, end), '"like:" names no photo', "write its path, as in like:beach.jpg")
    return Like(path, _signed(text, start, by), Place(start, end))


def _term(text: str, start: int, named: int, at: int, key: str, example: str) -> Term:
    if _blank(text, at):
        raise _empty(text, start, at, key, example)
    values, end = [], at
    while True:
        value = _value(text, end, key)
        values.append(value)
        end = value.place.end
        if not text.startswith(",", end):
            break
        end += 1
    if text.startswith("^", end):
        place = Place(end, _end(_WORD, text, end))
        raise error_at(place, "a filter has no weight", f"write {quoted_excerpt(text[start:end])} alone")
    return Term(key, tuple(values), text[start] == "-", text[at:end], Place(start, end), Place(named, at))


def _value(text: str, start: int, key: str) -> Value:
    if start < len(text) and text[start] in QUOTES:
        said, end = _quoted(text, start)
        return Value(said, Place(start, end))
    end = _end(_ITEM, text, start)
    if end > start:
        return Value(text[start:end], Place(start, end))
    place = Place(start - 1, start + text.startswith(",", start))
    hint = f"write no blanks between values, as in {key}:a,b; one that has a comma or a blank in it wants quotes"
    raise error_at(place, "a value is missing at the comma", hint)


def _quoted(text: str, start: int) -> tuple[str, int]:
    found = unquoted(text, start)
    if found is None:
        hint = 'put another at its end; to search for a quote itself, write \\" in quotes'
        raise error_at(Place(start, len(text)), f"the quote {text[start]} is never closed", hint)
    said, end = found
    if not said.strip():
        raise error_at(
            Place(start, end), "there is nothing in the quotes", "write something into them, or leave them out"
        )
    return said, end


def _weight(text: str, at: int) -> tuple[float | None, int]:
    if not text.startswith("^", at):
        return None, at
    end = _end(_WORD, text, at)
    return weight(text[at + 1 : end], Place(at, end)), end


def _signed(text: str, start: int, by: float | None) -> float:
    size = 1.0 if by is None else by
    return -size if text[start] == "-" else size


def _empty(text: str, start: int, at: int, key: str, example: str) -> QueryError:
    follower = _end(_BLANKS, text, at)
    value = text[follower : _end(_WORD, text, follower)] or example
    meant = quoted_excerpt(text[start:at] + value)
    hint = f"write {meant}, without a blank; to search for the word itself, put it in quotes"
    return error_at(Place(start, at), f'nothing follows "{key}:"', hint)


def _joined(text: str, at: int) -> QueryError:
    place = Place(at, max(_end(_WORD, text, at), at + 1))
    if text[at] in QUOTES:
        hint = 'put a blank before it, or quotes around all of it; to search for a quote itself, write \\" in quotes'
        return error_at(place, "a quote begins inside a word", hint)
    return error_at(
        place, f'"{quoted_excerpt(text[place.start : place.end])}" is joined to a quote', "put a blank between the two"
    )


def _blank(text: str, at: int) -> bool:
    return at >= len(text) or text[at].isspace()


def _end(run: re.Pattern[str], text: str, at: int) -> int:
    found = run.match(text, at)
    return found.end() if found else at
