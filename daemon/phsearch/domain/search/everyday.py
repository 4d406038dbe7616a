"""What people photograph: everyday words and phrases."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PREPOSITIONS = frozenset({"at", "by", "from", "in", "made", "of", "on", "out", "to", "using", "with"})


@cache
def phrases() -> tuple[str, ...]:
    """Return what people photograph: words and phrases, in the singular where it is usual, fields side by side."""
    return tuple(Path(__file__).with_suffix(".txt").read_text(encoding="ascii").splitlines())


@cache
def nouns() -> frozenset[str]:
    """Return the words, in lower case, that can be the last one of a short phrase."""
    split = (phrase.lower().split() for phrase in phrases())
    return frozenset(words[-1] for words in split if not _PREPOSITIONS & set(words))


@cache
def words() -> frozenset[str]:
    """Return every word, in lower case."""
    return frozenset(word for phrase in phrases() for word in phrase.lower().split())
