"""One wording for phrases that mean the same: "a dog", "Dogs" and "photos of dogs" are asked as "dog".

A model hears differences where people mean none, and each wording would have its own ranking and cut-off. Only short
phrases are changed: in "two dogs in the snow" the number may be meant.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

SHORT = 2
"""A phrase of at most so many words, without an article, has one wording, and is put into templates."""

_LEAD = re.compile(
    r"^(?:(?:a |the |some |all |my |our )?(?:photo|picture|image|pic|shot)s? of )?(?:(?:an?|the|some|any|all|my|our) )?"
)
_PREPOSITIONS = frozenset({"at", "by", "from", "in", "made", "of", "on", "out", "to", "using", "with"})
_IRREGULAR = {
    "children": "child",
    "feet": "foot",
    "geese": "goose",
    "halves": "half",
    "knives": "knife",
    "leaves": "leaf",
    "lives": "life",
    "loaves": "loaf",
    "men": "man",
    "mice": "mouse",
    "oxen": "ox",
    "persons": "person",
    "scarves": "scarf",
    "shelves": "shelf",
    "teeth": "tooth",
    "thieves": "thief",
    "wives": "wife",
    "wolves": "wolf",
    "women": "woman",
}
_ALWAYS_PLURAL = ("ss", "us", "is", "as", "os", "ics", "wear")
_SHORTEST = 5
_EMOJI_PARTS = "\u200d\ufe0e\ufe0f"
"""What joins emoji, and chooses between colours and black and white."""
_STYLE = re.compile(r"^(?:heavy |black |white )*(?=heart|sun|star|smiling|snow)")
"""How a symbol of print is drawn is no part of its meaning."""


def spelled_out(text: str) -> str:
    """Return a text with the names of its emoji in their place: models know words."""
    return " ".join("".join(map(_character, text)).split()) if not text.isascii() else text


def _character(char: str) -> str:
    name = unicodedata.name(char, "").lower()
    if char in _EMOJI_PARTS or "fitzpatrick" in name:
        return ""
    if unicodedata.category(char) != "So":
        return char
    # Not the face: people mean the animal.
    return f" {_STYLE.sub('', name).removesuffix(' face')} "


def one_wording(phrase: str) -> str | None:
    """Return the wording of a short phrase, None for a longer one, which is asked as it is."""
    folded = _LEAD.sub("", " ".join(phrase.lower().split()))
    words = folded.split()
    if not words or len(words) > SHORT:
        return None
    return " ".join([*words[:-1], _singular(words[-1])])


def _singular(word: str) -> str:
    """Return the form of a noun that is asked: the one that people use for it, mostly the singular."""
    known = nouns()
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in known:
        return word
    if f"{word}s" in known:
        return f"{word}s"
    if word.endswith("men") and (f"{word[:-2]}an" in known or word.endswith("women")):
        return f"{word[:-2]}an"
    candidates = [word[: -len(end)] + other for end, other in _ENDS if word.endswith(end)]
    for candidate in candidates:
        if candidate in known:
            return candidate
    regular = word.endswith("s") and not word.endswith(_ALWAYS_PLURAL) and len(word) >= _SHORTEST
    return candidates[0] if regular else word


_ENDS = (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"))


@cache
def phrases() -> tuple[str, ...]:
    """Return what people photograph: words and phrases, in the singular where it is usual, fields side by side."""
    return tuple(Path(__file__).with_name("everyday.txt").read_text(encoding="ascii").splitlines())


@cache
def nouns() -> frozenset[str]:
    """Return the words, in lower case, that can be the last one of a short phrase."""
    split = (phrase.lower().split() for phrase in phrases())
    return frozenset(words[-1] for words in split if not _PREPOSITIONS & set(words))


@cache
def everyday_words() -> frozenset[str]:
    """Return every word, in lower case."""
    return frozenset(word for phrase in phrases() for word in phrase.lower().split())
