"""The data: captioned photos, in halves, on which we trained no model, and a sample of photos in general."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.search.relevance import SHORT
from quality import truth
from training.photos import data

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phsearch.domain.types import Vectors
    from quality.embed import Embedder
    from quality.truth import Case
    from training.photos.data import CaptionedPhoto

_SEED = 20


@dataclass(frozen=True, slots=True)
class Material:
    """`fit` is for choices, `held` (by name) for figures; `reference` are photos in general."""

    fit: tuple[CaptionedPhoto, ...]
    held: dict[str, tuple[CaptionedPhoto, ...]]
    reference: tuple[Path, ...]


def material(folder: Path) -> Material:
    """Return flickr8k, coco and imagenet-sample as for the training of mini, or a folder with captions.tsv."""
    if (folder / "captions.tsv").exists():
        split = data.split(data.read_captions(folder), dev=0, validation=0)
        half = len(split.train) // 2
        fit = split.train[:half]
        return Material(fit, {folder.name: split.train[half:]}, tuple(photo.path for photo in fit))
    split = data.split(data.read_captions(folder / "flickr8k"))
    half = len(split.dev) // 2
    fit = (*split.validation, *split.dev[:half])
    held = {"Flickr8k": split.dev[half:], "COCO": data.read_captions(folder / "coco")}
    classes = data.class_photos(folder / "imagenet-sample")
    return Material(fit, held, (*(photo.path for photo in fit), *classes))


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries about photos, both as vectors; `words` of the cases are words and short phrases, the rest captions."""

    cases: list[Case]
    words: int
    texts: Vectors
    """[m, dim]."""
    photos: Vectors
    """[n, dim]."""


def asked(
    image_worker: Embedder, photos: Sequence[CaptionedPhoto], templates: Sequence[str], *, whole: bool = False
) -> Asked:
    """Return words and as many captions as there are words, or with `whole` every caption."""
    words, captions = truth.words(photos), truth.captions(photos)
    chosen = np.random.default_rng(_SEED).permutation(len(captions))[: len(captions) if whole else len(words)]
    cases = [*words, *(captions[at] for at in chosen)]
    texts = text_vectors(image_worker, [case.text for case in cases], templates)
    return Asked(cases, len(words), texts, image_worker.photos([photo.path for photo in photos]))


def text_vectors(image_worker: Embedder, texts: Sequence[str], templates: Sequence[str]) -> Vectors:
    """Return [n, dim] unit rows: short texts as the mean of their templates, as in the daemon."""
    total = image_worker.texts(texts).copy()
    short = [at for at, text in enumerate(texts) if len(text.split()) <= SHORT]
    if short and len(templates) > 1:
        some = [image_worker.texts([template.format(texts[at]) for at in short]) for template in templates]
        total[short] = np.mean(some, axis=0)
    unit: Vectors = total / np.linalg.norm(total, axis=1, keepdims=True)
    return unit
