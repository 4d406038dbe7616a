"""How a mistake in a query is reported: one sentence, what to write instead, and where."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_EXCERPT = 60


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the query: characters from `start` to before `end`."""

    start: int
    end: int


NOWHERE = Place(0, 0)


def error_at(place: Place, message: str, hint: str) -> QueryError:
    """Return the error about the part at `place`."""
    return QueryError(message, hint, start=place.start, end=place.end)


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` most likely means, None if it is similar to none."""
    return next(iter(difflib.get_close_matches(word.lower(), known, 1)), None)


def quoted_excerpt(text: str) -> str:
    """Return the text as written, cut where it would make the sentence too long."""
    return text if len(text) <= _MAX_EXCERPT else f"{text[:_MAX_EXCERPT]}..."
