"""Writes which words belong to which language, for remarks on queries that an English model does not understand.

    uv pip install pyspellchecker numpy
    python daemon/training/words/languages.py

Words and how often they are used come from pyspellchecker's dictionaries (MIT), which count subtitles. A word is
foreign where another language uses it at least twenty times as often as English, and English hardly at all.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from spellchecker import SpellChecker  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Iterable

LANGUAGES = {"de": "German", "es": "Spanish", "fr": "French", "it": "Italian", "nl": "Dutch", "pt": "Portuguese"}
OUT = Path(__file__).resolve().parents[2] / "phsearch" / "domain" / "search" / "languages.npz"
MOST_WORDS = {"de": 400_000}
"""The German dictionary hardly counts: of most words it says only that they are there."""
USUAL_WORDS = 30_000
LONGEST = 15
RARE = 2e-7
RATIO = 20
UNSEEN = 1e-9
SHORTEST = 3


def shares(language: str) -> dict[str, float]:
    """Return the words of a language -> their part of all text."""
    counted = SpellChecker(language=language).word_frequency
    return {
        word: times / counted.total_words
        for word, times in counted.dictionary.items()
        if SHORTEST <= len(word) <= LONGEST
    }


def hashes(words: Iterable[str]) -> np.ndarray:
    """Return the sorted checksums of words, [n] uint32: phsearch asks only whether a word is among them."""
    return np.unique(np.array([zlib.crc32(word.encode()) for word in words], np.uint32))


def main() -> None:
    """Write the file."""
    english = shares("en")
    arrays = {"English": hashes(word for word, share in english.items() if share >= RARE)}
    spoken = {name: shares(code) for code, name in LANGUAGES.items()}
    for code, name in LANGUAGES.items():
        own = spoken[name]
        others = [each for other, each in spoken.items() if other != name]
        foreign = {
            word: share
            for word, share in own.items()
            if english.get(word, 0) < RARE
            and share > RATIO * (english.get(word, 0) + UNSEEN)
            and share >= max(each.get(word, 0) for each in others)
        }
        often = sorted(foreign, key=foreign.__getitem__, reverse=True)
        arrays[name] = hashes(often[: MOST_WORDS.get(code, USUAL_WORDS)])
    np.savez(OUT, allow_pickle=False, **arrays)
    print(f"{OUT}: {OUT.stat().st_size:,} bytes, " + ", ".join(f"{k} {len(v):,}" for k, v in arrays.items()))


if __name__ == "__main__":
    main()
