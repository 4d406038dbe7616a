"""Queries and the photos that they mean, from captions.

Captions are not complete: five people name only what they find worth naming. So a word counts as shown by a photo when
two of them use it, as not shown when none does, and as unknown when one does. A whole caption means its own photo.
Photos whose captions share no content word with it are not meant, and the others are unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from phsearch.domain.calibration.captioned import CaptionedPhoto

YES, NO, UNKNOWN = 1, 0, -1
_AGREE = 2
_FEWEST = 3
_SHORTEST = 3
_SHORTEST_PLURAL = 5
_CLOSE = 0.5

# Words that are not searched for alone, and that name nothing visible.
_STOP = frozenset(Path(__file__).with_name("stopwords.txt").read_text(encoding="ascii").split())


@dataclass(frozen=True, slots=True)
class Case:
    """One query and what it means: `meant` [n] is YES, NO or UNKNOWN for each photo."""

    text: str
    meant: npt.NDArray[np.int8]
    photo: int = -1
    """The photo it is a caption of."""


def words(photos: Sequence[CaptionedPhoto], fewest: int = _FEWEST) -> list[Case]:
    """Return a case for each word, and each two adjacent words, that some photos agree on."""
    counted = [_terms(photo) for photo in photos]
    common = Counter(term for terms in counted for term, times in terms.items() if times >= _AGREE)
    asked = sorted(term for term, number in common.items() if number >= fewest)
    return [Case(term, np.array([_verdict(terms[term]) for terms in counted], np.int8)) for term in asked]


def captions(photos: Sequence[CaptionedPhoto]) -> list[Case]:
    """Return a case for each caption."""
    return list(_captions(photos))


def pairs(photos: Sequence[CaptionedPhoto]) -> npt.NDArray[np.int8]:
    """Return for each two photos, [n, n], whether one is like the other: their captions agree on most content."""
    counted = [{term: times for term, times in _terms(photo).items() if " " not in term} for photo in photos]
    cores = [{term for term, times in terms.items() if times >= _AGREE} for terms in counted]
    seen = [set(terms) for terms in counted]
    meant = np.full((len(photos), len(photos)), UNKNOWN, np.int8)
    for one, core in enumerate(cores):
        for other in range(len(photos)):
            if not seen[one] & seen[other]:
                meant[one, other] = NO
            elif core and len(core & cores[other]) >= _CLOSE * len(core | cores[other]):
                meant[one, other] = YES
    np.fill_diagonal(meant, UNKNOWN)
    return meant


def absent(vocabulary: Sequence[str], photos: Sequence[CaptionedPhoto]) -> list[str]:
    """Return the words that no caption of these photos uses, in any part."""
    used = {word for photo in photos for caption in photo.captions for word in content(caption)}
    return [word for word in vocabulary if not used & set(content(word))]


def _captions(photos: Sequence[CaptionedPhoto]) -> Iterator[Case]:
    said = [{word for caption in photo.captions for word in content(caption)} for photo in photos]
    for number, photo in enumerate(photos):
        for caption in photo.captions:
            own = set(content(caption))
            meant = np.array([UNKNOWN if own & other else NO for other in said], np.int8)
            meant[number] = YES
            yield Case(caption, meant, number)


def _verdict(times: int) -> int:
    return YES if times >= _AGREE else UNKNOWN if times else NO


def _terms(photo: CaptionedPhoto) -> Counter[str]:
    """Return in how many captions of a photo a term occurs."""
    counter: Counter[str] = Counter()
    for caption in photo.captions:
        folded = [_fold(word) for word in re.findall(r"[a-z]+", caption.lower())]
        fine = [word not in _STOP and len(word) >= _SHORTEST for word in folded]
        found = {word for word, good in zip(folded, fine, strict=True) if good}
        for at in range(len(folded) - 1):
            if fine[at] and fine[at + 1]:
                found.add(f"{folded[at]} {folded[at + 1]}")
        counter.update(found)
    return counter


def content(text: str) -> list[str]:
    """Return the words of a text that name something, in the singular."""
    folded = (_fold(word) for word in re.findall(r"[a-z]+", text.lower()))
    return [word for word in folded if word not in _STOP and len(word) >= _SHORTEST]


def _fold(word: str) -> str:
    """Return the singular by simple rules."""
    if len(word) >= _SHORTEST_PLURAL and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) >= _SHORTEST_PLURAL and word.endswith("es") and word[-3] in "sxzh":
        return word[:-2]
    return word[:-1] if len(word) > _SHORTEST and word.endswith("s") and not word.endswith("ss") else word
