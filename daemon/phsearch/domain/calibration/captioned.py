"""Photos with captions: lines of a file's name, a tab and a caption, as many lines a photo as there are captions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "captions.tsv"


@dataclass(frozen=True, slots=True)
class CaptionedPhoto:
    """One photo and the sentences people wrote about it."""

    path: Path
    captions: tuple[str, ...]


def parse_captions(lines: str) -> dict[str, tuple[str, ...]]:
    """Return the captions of each file name; lines without both are left out."""
    captions: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines.splitlines():
        name, _, caption = line.partition("\t")
        if name and caption.strip():
            captions[name].append(tidy(caption))
    return {name: tuple(captions[name]) for name in sorted(captions)}


def tidy(caption: str) -> str:
    """Return a caption without the tokenised spelling of Flickr8k: no space before punctuation, no full stop."""
    for mark in ".,;:!?":
        caption = caption.replace(f" {mark}", mark)
    return " ".join(caption.split()).rstrip(".").strip()
