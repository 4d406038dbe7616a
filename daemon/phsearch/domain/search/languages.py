"""Remarks on the words of a query: one that is misspelt, and a language that an English model never learned.

They are said beside the hits, since a name may look like a mistake.

`languages.npz` has checksums of words, made by `daemon/training/words/languages.py`: common English words, and for
each of six languages words that it uses and English does not.
"""

from __future__ import annotations

import difflib
import re
import string
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.query.ast import Phrase
from phsearch.domain.search import everyday

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from phsearch.domain.query.ast import Query

_ENGLISH = "English"
_WORD = re.compile(r"[^\W\d_]+")
_SHORTEST = 3
_LONG = 7
"""In a word of at least so many letters more than one may be wrong."""
_CLOSE = 0.84


@dataclass(frozen=True, slots=True)
class Remarks:
    """`did_you_mean` is another query; `language` is the one that the words seem to be of."""

    did_you_mean: str | None = None
    language: str | None = None


def remark(text: str, query: Query, *, english_only: bool) -> Remarks:
    """Return the remarks on a query, `text` as it was typed. Only for an English model a language is one."""
    phrases = [aim.text for aim in query.aims if isinstance(aim, Phrase)]
    if language := next(filter(None, map(foreign_language, phrases)), None):
        return Remarks(language=language) if english_only else Remarks()
    wrong = {word: other for phrase in phrases for word, other in corrections(phrase).items()}
    return Remarks(did_you_mean=correct(text, wrong) if wrong else None)


def foreign_language(text: str) -> str | None:
    """Return the language that half of the words of a text or more belong to, None where it may be English."""
    words = _words(text)
    unknown = [word for word in words if not _is_known(word)]
    if not unknown:
        return None
    spoken = {name: sum(_is_of(name, word) for word in unknown) for name in _checksums() if name != _ENGLISH}
    language = max(spoken, key=spoken.__getitem__)
    return language if spoken[language] * 2 >= len(words) else None


def corrections(text: str) -> dict[str, str]:
    """Return the words of a text that seem misspelt -> everyday words that may be meant."""
    found = {word: _corrected_word(word) for word in _WORD.findall(text)}
    return {word: other for word, other in found.items() if other != word}


def correct(query: str, words: Mapping[str, str]) -> str:
    """Return a query with some words replaced."""
    return _WORD.sub(lambda match: words.get(match.group(), match.group()), query)


def _corrected_word(word: str) -> str:
    folded = word.lower()
    if len(word) < _SHORTEST or not word.isascii() or _is_known(folded):
        return word
    near = set(_edits(folded)) & _meant()
    if not near and len(word) >= _LONG:
        near = set(difflib.get_close_matches(folded, _meant(), 1, _CLOSE))
    # A letter that moved is the likeliest mistake, and the first one is seldom wrong.
    best = sorted(near, key=lambda other: (sorted(other) != sorted(folded), other[0] != folded[0], other))
    return best[0] if best else word


def _edits(word: str) -> Iterator[str]:
    """Yield what a word becomes by one letter more, less, other, or moved by one."""
    for at in range(len(word) + 1):
        before, after = word[:at], word[at:]
        if after:
            yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in string.ascii_lowercase:
            yield before + letter + after
            if after:
                yield before + letter + after[1:]


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if len(word) >= _SHORTEST]


def _is_known(word: str) -> bool:
    return word in _meant() or _is_of(_ENGLISH, word)


def _is_of(language: str, word: str) -> bool:
    checksums = _checksums()[language]
    checksum = np.uint32(zlib.crc32(word.encode()))
    at = int(np.searchsorted(checksums, checksum))
    return at < len(checksums) and bool(checksums[at] == checksum)


@cache
def _meant() -> frozenset[str]:
    return everyday.words() | {f"{word}s" for word in everyday.words()}


@cache
def _checksums() -> dict[str, npt.NDArray[np.uint32]]:
    with np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
