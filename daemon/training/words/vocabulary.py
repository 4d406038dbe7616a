"""Words: names of classes, everyday names of groups of classes, keywords of captions.

People search with one or two words ("dog", "birthday cake"), captions are whole
sentences, and ImageNet has "Norwich terriers".  This module connects the three.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from timm.data.imagenet_info import ImageNetInfo

from training.words.groups import GROUPS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

CLASSES = 1000
SHORTEST_WORD = 3
SAYS_LITTLE = (
    "about above across after again against all almost alone along already also among and another any "
    "anything are around back background because become before behind being below beside between beyond "
    "big both but can cannot different done down during each eight either eleven else empty enough even "
    "ever everyone everything everywhere except few fill find first five for found four from front full "
    "further get gets getting give going had has have her here hers herself him himself his holding how "
    "hundred image into its itself keep large last latter least left less like little looking looks made "
    "many may more most mostly move much near neither next nine nothing off once one only onto other "
    "others otherwise our out over own part perhaps photo picture put rather right same see seem seems "
    "several she show side since sitting six small some somehow someone something standing still take "
    "takes taking ten than that the their them themselves then there these they thick thin third this "
    "those though three through together too top toward towards twelve twenty two under upon using "
    "various very was wearing well were what when where which while who whom whose will with within "
    "without would yet you "
)
EMPTY_WORDS = frozenset(SAYS_LITTLE.split())
TEMPLATES = (
    "{}",
    "{}",
    "{}",
    "a {}",
    "the {}",
    "a photo of a {}",
    "a picture of {}",
    "photo of {}",
    "my {}",
    "{} photos",
)


@dataclass(frozen=True)
class Concept:
    """Names of one kind of thing, and the ImageNet classes that belong to it."""

    names: tuple[str, ...]
    members: tuple[int, ...]


def class_names() -> tuple[tuple[str, ...], ...]:
    """Return every class's names, the usual one first."""
    info = ImageNetInfo()
    return tuple(
        tuple(name.strip() for name in info.index_to_description(index).split(",")) for index in range(CLASSES)
    )


def concepts() -> tuple[Concept, ...]:
    """Return the thousand classes, then the everyday groups."""
    single = tuple(Concept(names, (index,)) for index, names in enumerate(class_names()))
    groups = tuple(Concept((name,), _members(ranges)) for name, ranges in GROUPS.items())
    return single + groups


def phrase(name: str, rng: random.Random) -> str:
    """Return a name in one of the forms of a query."""
    text = rng.choice(TEMPLATES).format(name)
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def keywords(caption: str) -> tuple[str, ...]:
    """Return the words of a caption that name what is visible."""
    words = re.findall(r"[a-z][a-z'-]+", caption.lower())
    return tuple(word for word in words if len(word) >= SHORTEST_WORD and word not in EMPTY_WORDS)


def neighbours(caption: str) -> tuple[str, ...]:
    """Return the pairs of adjacent keywords: "brown dog", "ski slope"."""
    found = []
    for piece in re.split(r"[^a-z' -]+", caption.lower()):
        words = piece.split()
        found += [
            f"{first} {second}" for first, second in itertools.pairwise(words) if keywords(first) and keywords(second)
        ]
    return tuple(found)


def common(lists: Iterable[Iterable[str]], least: int) -> dict[str, int]:
    """Return the words that occur in at least ``least`` of the lists, with their counts."""
    counts: dict[str, int] = {}
    for words in lists:
        for word in set(words):
            counts[word] = counts.get(word, 0) + 1
    return {word: count for word, count in counts.items() if count >= least}


def _members(ranges: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in ranges.split():
        first, _, last = part.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return tuple(sorted(set(found)))
