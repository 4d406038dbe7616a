"""All training data, as one pool of pictures and one list of texts."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from training.drawn import synthetic
from training.photos import augment
from training.words import labels, vocabulary

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from PIL import Image
    from torch import Tensor

    from phsearch.domain.calibration.captioned import CaptionedPhoto
    from training.photos.cache import Source
    from training.photos.domains import LabelledPhoto

LEAST_PHOTOS = 4
DRAWN_OF_EACH_KIND = 48


@dataclass(frozen=True)
class Picture:
    """A picture, the texts that describe it, and its group.

    Pictures of one ``group`` are not negatives for each other's texts: all receipts
    are "a receipt".  The ``terms`` of a labelled picture are all true of it, its label first.
    """

    source: Source
    group: str
    texts: tuple[str, ...]
    captioned: bool = False
    terms: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Pool:
    """The pictures, and for each keyword how strongly it describes each picture."""

    pictures: tuple[Picture, ...]
    keywords: tuple[str, ...]
    relevance: Tensor
    weights: Tensor

    def groups(self) -> Tensor:
        """Return the group number of each picture."""
        numbers: dict[str, int] = {}
        return torch.tensor([numbers.setdefault(p.group, len(numbers)) for p in self.pictures])

    def without_terms(self, kinds: Collection[str]) -> Pool:
        """Return a pool in which nothing is known of the pictures of some kinds; rows stay where they are."""
        pictures = tuple(replace(p, terms=()) if p.kind in kinds else p for p in self.pictures)
        return replace(self, pictures=pictures)


def gather(
    photos: Sequence[CaptionedPhoto], labelled: Sequence[LabelledPhoto], classes: Sequence[Path], seed: int
) -> Pool:
    """Collect captioned photos, labelled photos, class photos and drawn pictures."""
    pictures = [
        Picture(partial(augment.load, photo.path), photo.path.name, photo.captions, captioned=True) for photo in photos
    ]
    for path, names in zip(classes, vocabulary.class_names(), strict=True):
        texts = tuple(f"a photo of a {name}" for name in names) + names
        source = partial(augment.load, path)
        pictures.append(Picture(source, f"class {names[0]}", texts))
    for labelled_photo in labelled:
        kind, label = labelled_photo.kind, labelled_photo.label
        sentences, terms = labels.sentences_of(kind, label), labels.terms_of(kind, label)
        pictures.append(Picture(partial(augment.load, labelled_photo.path), label, sentences, terms=terms, kind=kind))
    for drawn in synthetic.draw_all(DRAWN_OF_EACH_KIND, seed):
        source = partial(_same, drawn.image)
        pictures.append(Picture(source, drawn.kind, drawn.captions, terms=(drawn.kind,), kind="drawn"))
    return _with_keywords(tuple(pictures))


def _same(image: Image.Image) -> Image.Image:
    return image


def _with_keywords(pictures: tuple[Picture, ...]) -> Pool:
    """Add for each photo the number of its captions that use a word or a pair of words."""
    said = [
        [(*vocabulary.keywords(text), *vocabulary.neighbours(text)) for text in picture.texts]
        if picture.captioned
        else []
        for picture in pictures
    ]
    counts = vocabulary.common(([word for words in photo for word in words] for photo in said), LEAST_PHOTOS)
    column = {word: number for number, word in enumerate(sorted(counts))}
    relevance = np.zeros((len(pictures), len(column)), dtype=np.uint8)
    for row, photo in enumerate(said):
        for words in photo:
            for word in set(words) & column.keys():
                relevance[row, column[word]] += 1
    weights = torch.tensor([counts[word] for word in sorted(counts)]).float().sqrt()
    return Pool(pictures, tuple(sorted(counts)), torch.from_numpy(relevance), weights)


def whole_words(vocabulary_file: Path, seed: int) -> tuple[str, ...]:
    """Return the plain words of the sentence encoder's vocabulary, shuffled."""
    lines = vocabulary_file.read_text(encoding="utf-8").splitlines()
    words = [w for w in lines if w.isascii() and w.isalpha() and len(w) >= vocabulary.SHORTEST_WORD]
    random.Random(seed).shuffle(words)  # noqa: S311
    return tuple(words)
