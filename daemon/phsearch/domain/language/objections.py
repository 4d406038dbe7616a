"""How a mistake in a query is told: one sentence, what to write instead, and where."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from phsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phsearch.domain.language.terms import Place

_LONGEST = 60


def wrong(place: Place, message: str, hint: str) -> QueryError:
    """Make the error of what stands at `place`."""
    return QueryError(message, hint, start=place.start, end=place.end)


def closest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word that `word` is most likely a slip of, None where it is like none."""
    return next(iter(difflib.get_close_matches(word.lower(), known, 1)), None)


def shown(text: str) -> str:
    """Give what was written, cut where it would make a sentence too long to read."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
