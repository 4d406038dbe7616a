"""Wider words for the labels of the photo sets, from ``broader.txt``: an African penguin is a penguin and a bird.

Each line there is a word, a colon, and the labels (in small letters) of which it is true, with semicolons between them.
"""

from __future__ import annotations

from pathlib import Path


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the wider words of each label."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        word, _, members = line.partition(": ")
        for member in members.split("; "):
            found.setdefault(member, []).append(word)
    return {label: tuple(words) for label, words in found.items()}


BROADER = _read(Path(__file__).with_suffix(".txt"))
