"""Splits a query into bare words, phrases, photos to be like, and filters whose values are not parsed yet.

Places are in characters of the text as written: nothing is normalised before the split.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.query.ast import Like, Phrase
from phsearch.domain.query.measures import NUMBER
from phsearch.domain.query.mistakes import Place, error_at, quoted_excerpt
from phsearch.domain.query.quotes import OPENING, QUOTES, opens_quote, unquoted
from phsearch.text import COLONS, MINUSES, PLUSES
from phsearch.wire.filters import FILTERS, LIKE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.errors import QueryError

NAMES_OF_LIBRARY = frozenset({"in", "root", "camera"})
"""Keys whose values are names as the library has them: no character in them stands for another."""

MIN_WEIGHT, MAX_WEIGHT = 0.01, 10.0

_NUMBER = re.compile(NUMBER, re.ASCII)
_BLANKS = re.compile(r"\s*")
_KEY = re.compile(rf"([A-Za-zＡ-Ｚａ-ｚ]+)([:{COLONS}])")  # noqa: RUF001 - keyboards of East Asia have wide letters
_WORD = re.compile(rf"[^\s{QUOTES}]*")
_ITEM = re.compile(rf"[^\s,{QUOTES}]*")
_COMMAS = ",，、"  # noqa: RUF001
_PLAIN_ITEM = re.compile(rf"[^\s{_COMMAS}{QUOTES}]*")
_SIGNS = f"+-{PLUSES}{MINUSES}"
_DASH = re.compile(rf"[{MINUSES}](?=\d{{1,3}}(?!\d))")  # not that of 2023–2024, which is no date  # noqa: RUF003
_UNWEIGHTED = re.compile(rf"[^\s^{QUOTES}]*")


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word, which makes one phrase with the words beside it."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Value:
    """One of the alternatives after a key."""

    text: str
    place: Place
    quoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A key in lower case with its values, at least one."""

    key: str
    values: tuple[Value, ...]
    negated: bool
    written: str
    """All of the text after the colon."""
    place: Place
    key_place: Place
    """The place of the key and its colon, without the sign."""


def tokens(text: str) -> Iterator[Word | Phrase | Like | Term]:
    """Split `text`, from left to right. Raises QueryError at the first part that is malformed.

    Letters with a colon are a key if the table of filters has it, or if something follows that does not begin with
    "//", as in an address.
    """
    at = _end(_BLANKS, text, 0)
    while at < len(text):
        token = _token(text, at)
        yield token
        at = token.place.end
        if at < len(text) and not text[at].isspace():
            raise _joined(text, at)
        at = _end(_BLANKS, text, at)


def _token(text: str, start: int) -> Word | Phrase | Like | Term:
    at = _after_sign(text, start)
    if match := _KEY.match(text, at):
        key = unicodedata.normalize("NFKC", match[1]).lower()
        if key == LIKE.key:
            return _like(text, start, match.end(), negated=_is_negated(text, start, at))
        # Only the plain colon makes a mistake of an unknown key: the wide one belongs to texts, too.
        plain = match[0].isascii() and not (_blank(text, match.end()) or text.startswith("//", match.end()))
        if key in FILTERS or plain:
            return _term(text, Place(at, match.end()), key, start=start)
    return _phrase(text, start, at)


def _after_sign(text: str, start: int) -> int:
    sign = text[start]
    if sign not in "+-":
        # A dash that stands alone belongs to a text.
        signs = sign in _SIGNS and not _blank(text, start + 1) and text[start + 1] not in _SIGNS
        return start + signs
    if _blank(text, start + 1):
        hint = f"write {sign}word without a blank; to search for the sign itself, put it in quotes"
        raise error_at(Place(start, start + 1), f'nothing follows the "{sign}"', hint)
    if text[start + 1] in "+-":
        hint = "one is enough, as in -people; to search for the signs themselves, put them in quotes"
        raise error_at(Place(start, start + 2), f'"{text[start : start + 2]}" is two signs', hint)
    return start + 1


def _phrase(text: str, start: int, at: int) -> Word | Phrase:
    if _is_quoted(text, at, "^"):
        words, end = _quoted(text, at)
        weight, end = _weight(text, end)
    else:
        end = _end(_UNWEIGHTED, text, at)
        words = text[at:end]
        weight, end = _weight(text, end)
        if weight is None and at == start:
            return Word(words, Place(start, end))
        if not words:
            raise error_at(Place(at, end), 'nothing stands before the "^"', "write the word first, as in beach^2")
    return Phrase(clean(words), _signed(weight, negated=_is_negated(text, start, at)), place=Place(start, end))


def _like(text: str, start: int, at: int, *, negated: bool) -> Like:
    if _blank(text, at):
        raise _empty(text, start, at, LIKE.key, LIKE.example)
    if _is_quoted(text, at, "^"):
        path, end = _quoted(text, at)
    else:
        end = _end(_UNWEIGHTED, text, at)
        path = text[at:end]
    weight, end = _weight(text, end)
    if not path:
        raise error_at(Place(start, end), '"like:" names no photo', "write its path, as in like:beach.jpg")
    return Like(path, _signed(weight, negated=negated), place=Place(start, end))


def _term(text: str, key_place: Place, key: str, *, start: int) -> Term:
    at = key_place.end
    if _blank(text, at):
        raise _empty(text, start, at, key, FILTERS[key].example)
    values, end = [], at
    while True:
        value = _value(text, end, key)
        end = value.place.end
        values.append(value if key in NAMES_OF_LIBRARY else Value(plain(value.text), value.place))
        if not _is_comma(text, end, key):
            break
        end += 1
    if text.startswith("^", end):
        place = Place(end, _end(_WORD, text, end))
        raise error_at(place, "a filter has no weight", f"write {quoted_excerpt(text[start:end])} alone")
    return Term(
        key=key,
        values=tuple(values),
        negated=_is_negated(text, start, key_place.start),
        written=text[at:end],
        place=Place(start, end),
        key_place=key_place,
    )


def _is_comma(text: str, at: int, key: str) -> bool:
    return at < len(text) and text[at] in ("," if key in NAMES_OF_LIBRARY else _COMMAS)


def _value(text: str, start: int, key: str) -> Value:
    if _is_quoted(text, start, _COMMAS):
        inside, end = _quoted(text, start)
        return Value(inside, Place(start, end), quoted=True)
    end = _end(_ITEM if key in NAMES_OF_LIBRARY else _PLAIN_ITEM, text, start)
    if end > start:
        return Value(text[start:end], Place(start, end))
    place = Place(start - 1, start + _is_comma(text, start, key))
    hint = f"write no blanks between values, as in {key}:a,b; one that has a comma or a blank in it wants quotes"
    raise error_at(place, "a value is missing at the comma", hint)


def _is_quoted(text: str, start: int, after: str) -> bool:
    return start < len(text) and text[start] in OPENING and opens_quote(text, start, after)


def _quoted(text: str, start: int) -> tuple[str, int]:
    found = unquoted(text, start)
    if found is None:
        hint = 'put another at its end; to search for a quote itself, write \\" in quotes'
        raise error_at(Place(start, len(text)), f"the quote {text[start]} is never closed", hint)
    inside, end = found
    if not inside.strip():
        hint = "write something into them, or leave them out"
        raise error_at(Place(start, end), "there is nothing in the quotes", hint)
    return inside, end


def _weight(text: str, at: int) -> tuple[float | None, int]:
    """Parse a weight at `at`, if there is one, and return it with the place after it. Raises QueryError."""
    if not text.startswith("^", at):
        return None, at
    end = _end(_WORD, text, at)
    return _weight_value(text[at + 1 : end], Place(at, end)), end


def _weight_value(text: str, place: Place) -> float:
    if not _NUMBER.fullmatch(text):
        hint = "to keep away write -beach^2" if text.startswith("-") else "write a number, as in beach^2 or beach^0.5"
        raise error_at(
            place,
            f'"^{quoted_excerpt(text)}" is no weight',
            f'{hint}; if the "^" itself is meant, put all of it in quotes',
        )
    if not MIN_WEIGHT <= float(text) <= MAX_WEIGHT:
        hint = f"weights go from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}; without one it is 1"
        raise error_at(place, f"the weight {quoted_excerpt(text)} is out of range", hint)
    return float(text)


def _is_negated(text: str, start: int, at: int) -> bool:
    """Whether a sign stands before `at`, and is a minus."""
    return at > start and text[start] in f"-{MINUSES}"


def _signed(weight: float | None, *, negated: bool) -> float:
    size = 1.0 if weight is None else weight
    return -size if negated else size


def _empty(text: str, start: int, at: int, key: str, example: str) -> QueryError:
    next_word = _end(_BLANKS, text, at)
    value = text[next_word : _end(_WORD, text, next_word)] or example
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
    match = run.match(text, at)
    return match.end() if match else at


def plain(value: str) -> str:
    """Return a value that is no name with the digits and signs of ASCII: keyboards of other scripts type others."""
    if value.isascii():
        return value
    digits = (str(unicodedata.decimal(char)) if char.isdecimal() else char for char in value)
    return _DASH.sub("-", unicodedata.normalize("NFKC", "".join(digits)))


def clean(query: str) -> str:
    """Return the query with single spaces and composed characters."""
    return " ".join(unicodedata.normalize("NFC", query).split())
