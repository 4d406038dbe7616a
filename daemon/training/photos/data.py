"""Captioned photos on disk, and their split, so that no test photo is trained on.

A *collection* is a folder with ``images/`` (or the photos themselves) and
``captions.tsv``: file, tab, caption; several lines per photo.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.adapters.files.caption_file import read_captioned

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.domain.calibration.captioned import CaptionedPhoto

DEV_PHOTOS = 1000
VALIDATION_PHOTOS = 300
CLASSES = 1000


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of photos."""

    train: tuple[CaptionedPhoto, ...]
    validation: tuple[CaptionedPhoto, ...]
    dev: tuple[CaptionedPhoto, ...]


def read_captions(folder: Path) -> tuple[CaptionedPhoto, ...]:
    """Return a collection, sorted by file name, without photos that are not there."""
    return tuple(photo for photo in read_captioned(str(folder)) if photo.path.exists())


def split(
    photos: tuple[CaptionedPhoto, ...],
    dev: int = DEV_PHOTOS,
    validation: int = VALIDATION_PHOTOS,
) -> Split:
    """Split by a hash of the file name, which does not depend on the order, and little on additions.

    ``dev`` is used once, at the end.  Choices are made on ``validation``.
    """
    shuffled = sorted(photos, key=lambda photo: drawn_by_hash(photo.path.name))
    return Split(
        train=tuple(shuffled[dev + validation :]),
        validation=tuple(shuffled[dev : dev + validation]),
        dev=tuple(shuffled[:dev]),
    )


def class_photos(folder: Path) -> tuple[Path, ...]:
    """Return one photo for each ImageNet class, in the order of the classes."""
    images = folder / "images"
    images = images if images.is_dir() else folder
    photos = tuple(sorted(path for path in images.iterdir() if path.name.startswith("n")))
    if len(photos) != CLASSES:
        message = f"{folder}: {CLASSES} class photos expected, {len(photos)} found"
        raise ValueError(message)
    return photos


def drawn_by_hash(name: str) -> str:
    """Return what photos are shuffled by: the same on every machine, and of the name alone."""
    return hashlib.sha256(name.encode()).hexdigest()
