"""Labelled photos of everyday life, in sets, and their split.

A *set* is a folder with ``images/`` and ``labels.tsv``: file, tab, label.  A hash of the file name decides which photos
of each label are kept for choices, so it is the same everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.photos.data import drawn_by_hash

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

ONE_IN = 8


@dataclass(frozen=True)
class LabelledPhoto:
    """One photo, the set that it belongs to, and what it shows."""

    path: Path
    kind: str
    label: str


@dataclass(frozen=True)
class DomainSplit:
    """Photos to train on, and photos to choose by: some of each label, and all of the sets that are left out."""

    train: tuple[LabelledPhoto, ...]
    validation: tuple[LabelledPhoto, ...]


def read_domains(folder: Path) -> tuple[LabelledPhoto, ...]:
    """Return the photos of all labelled sets, sorted by set and file name."""
    found = []
    for table in sorted(folder.glob("*/labels.tsv")):
        for line in sorted(table.read_text(encoding="utf-8").splitlines()):
            name, _, label = line.partition("\t")
            if label.strip():
                found.append(LabelledPhoto(table.parent / "images" / name, table.parent.name, label.strip()))
    return tuple(found)


def split_domains(photos: Iterable[LabelledPhoto], left_out: Collection[str] = ()) -> DomainSplit:
    """Split each label's photos, at least one for choices; nothing of the sets left out is trained on."""
    labels: dict[tuple[str, str], list[LabelledPhoto]] = defaultdict(list)
    for photo in photos:
        labels[photo.kind, photo.label].append(photo)
    train: list[LabelledPhoto] = []
    validation: list[LabelledPhoto] = []
    for (kind, _), same in labels.items():
        shuffled = sorted(same, key=lambda photo: drawn_by_hash(f"{photo.kind}/{photo.path.name}"))
        kept = len(same) if kind in left_out else max(1, len(same) // ONE_IN)
        validation += shuffled[:kept]
        train += shuffled[kept:]
    return DomainSplit(tuple(train), tuple(validation))
