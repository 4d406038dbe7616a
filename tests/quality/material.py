"""The data: photos with captions and labels, in halves, that taught no model, and a sample of photos in general."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.calibration import truth
from phsearch.service.search.query_embedder import forms
from quality import labels
from training.photos import data, domains

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phsearch.domain.calibration.captioned import CaptionedPhoto
    from phsearch.domain.calibration.truth import Case
    from phsearch.domain.types import Vectors
    from quality.embed import Embedder
    from training.photos.domains import LabelledPhoto

_SEED = 20


@dataclass(frozen=True, slots=True)
class Gallery:
    """Photos that are searched together: first those with captions, then those with labels."""

    captioned: tuple[CaptionedPhoto, ...]
    labelled: tuple[LabelledPhoto, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """The files, in that order."""
        return [*(photo.path for photo in self.captioned), *(photo.path for photo in self.labelled)]


@dataclass(frozen=True, slots=True)
class Material:
    """`fit` is for choices, `held` (by name) for figures; `reference` are photos in general."""

    fit: Gallery
    held: dict[str, Gallery]
    reference: tuple[Path, ...]


def material(folder: Path) -> Material:
    """Return the data of mini's training that was kept for choices and results, or a folder with captions.tsv."""
    if (folder / "captions.tsv").exists():
        split = data.split(data.read_captions(folder), dev=0, validation=0)
        half = len(split.train) // 2
        fit = Gallery(split.train[:half])
        return Material(fit, {folder.name: Gallery(split.train[half:])}, tuple(fit.paths))
    split = data.split(data.read_captions(folder / "flickr8k"))
    half = len(split.dev) // 2
    labelled = domains.split_domains(domains.read_domains(folder / "domains")).validation
    fit = Gallery((*split.validation, *split.dev[:half]), labelled[::2])
    held = {
        "Flickr8k": Gallery(split.dev[half:]),
        "COCO": Gallery(data.read_captions(folder / "coco")),
        "everyday life": Gallery(split.dev[half:], labelled[1::2]),
    }
    return Material(fit, held, (*fit.paths, *data.class_photos(folder / "imagenet-sample")))


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries about photos, both as vectors; `words` of the cases are words and short phrases, the rest captions."""

    cases: list[Case]
    words: int
    texts: Vectors
    """[m, dim]."""
    photos: Vectors
    """[n, dim]."""


def asked(image_worker: Embedder, photos: Gallery, templates: Sequence[str], *, whole: bool = False) -> Asked:
    """Return words, labels, and as many captions as there are of these, or with `whole` every caption."""
    words, captions = truth.words(photos.captioned), truth.captions(photos.captioned)
    named = labels.labels(photos.captioned, photos.labelled)
    short = len(words) + len(named)
    chosen = np.random.default_rng(_SEED).permutation(len(captions))[: len(captions) if whole else short]
    said = [labels.over_all(case, len(photos.labelled)) for case in (*words, *(captions[at] for at in chosen))]
    cases = [*said[: len(words)], *named, *said[len(words) :]]
    texts = text_vectors(image_worker, [case.text for case in cases], templates)
    return Asked(cases, short, texts, image_worker.photos(photos.paths))


def text_vectors(image_worker: Embedder, texts: Sequence[str], templates: Sequence[str]) -> Vectors:
    """Return [n, dim] unit rows: short texts as the mean of their templates, as in the daemon."""
    asked = [forms(text, templates) for text in texts]
    known = {form: row for row, form in enumerate(dict.fromkeys(form for each in asked for form in each))}
    vectors = image_worker.texts(list(known))
    means = np.stack([vectors[[known[form] for form in each]].mean(axis=0) for each in asked])
    unit: Vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit
