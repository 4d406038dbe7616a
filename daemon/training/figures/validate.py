"""The metrics for choices, on photos that are used only for that."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from training.figures import metrics
from training.objective import normalised
from training.photos import cache
from training.words import sentences, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from torch import Tensor

    from phsearch.domain.calibration.captioned import CaptionedPhoto
    from training.kinds import Model, Tokenizer
    from training.photos.domains import LabelledPhoto

    Texts = Callable[[Sequence[str]], Tensor]

BATCH = 50
LEAST_PHOTOS = 2
LEAST_LABELS = 2
PROMPTS = ("{}", "a photo of {}")


@dataclass(frozen=True)
class Validation:
    """Photos for choices: galleries with captions, by name, and labelled photos."""

    galleries: Mapping[str, Sequence[CaptionedPhoto]]
    labelled: Sequence[LabelledPhoto]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return every photo, gallery by gallery, then the labelled ones."""
        captioned = (photo.path for gallery in self.galleries.values() for photo in gallery)
        return (*captioned, *(photo.path for photo in self.labelled))


@dataclass(frozen=True)
class Figures:
    """What choices are made by, all in per cent."""

    recall: Mapping[str, metrics.Recall]
    words: float
    """Average precision of the words of the first gallery's captions."""
    named: Mapping[str, float]
    """For each set, the photos whose own label is the closest of the set's."""

    def __str__(self) -> str:
        """Print on one line."""
        found = ", ".join(f"{name} {recall}" for name, recall in self.recall.items())
        sets = " ".join(f"{kind} {share:.0f}" for kind, share in self.named.items())
        return f"{found}, words {self.words:.1f}, named {mean_of(self.named):.1f} ({sets})"


def mean_of(named: Mapping[str, float]) -> float:
    """Return the mean over the sets, 0 where there are none."""
    return sum(named.values()) / len(named) if named else 0.0


@torch.inference_mode()
def validate(model: Model, tokenize: Tokenizer, photos: Validation, middle: np.ndarray) -> Figures:
    """Return recall by whole captions, average precision by single words, and the share of labels that come first.

    ``middle`` holds the lower half's output for each of ``photos.paths``.
    """
    place = model.logit_scale.device

    def texts(strings: Sequence[str]) -> Tensor:
        starts = range(0, len(strings), BATCH)
        tokens = (tokenize(list(strings[i : i + BATCH])).to(place) for i in starts)
        return torch.cat([normalised(model.encode_text(sentences.trimmed(batch))) for batch in tokens])

    def images(rows: np.ndarray) -> Tensor:
        batch = torch.tensor(rows, dtype=torch.float32, device=place).to(memory_format=torch.channels_last)
        return normalised(model.visual.head(cache.upper(model.visual.trunk, batch)))

    every = torch.cat([images(middle[i : i + BATCH]) for i in range(0, len(middle), BATCH)])
    *galleries, labelled = torch.split(every, [*map(len, photos.galleries.values()), len(photos.labelled)])
    recall, words = {}, []
    for (name, gallery), vectors in zip(photos.galleries.items(), galleries, strict=True):
        captions = [caption for photo in gallery for caption in photo.captions]
        answers = torch.tensor([i for i, photo in enumerate(gallery) for _ in photo.captions])
        recall[name] = metrics.recall(texts(captions), vectors, answers.to(place))
        words.append(_words(gallery, vectors, texts))
    return Figures(recall, words[0], named(photos.labelled, labelled, texts))


def named(photos: Sequence[LabelledPhoto], images: Tensor, texts: Texts) -> dict[str, float]:
    """Return for each set the share of photos, in per cent, whose own label is the closest of the set's."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, photo in enumerate(photos):
        rows[photo.kind].append(row)
    found = {}
    for kind, mine in rows.items():
        labels = sorted({photos[row].label for row in mine})
        if len(labels) < LEAST_LABELS:
            continue
        prompts = [texts([prompt.format(label) for label in labels]) for prompt in PROMPTS]
        classes = normalised(torch.stack(prompts).mean(dim=0))
        right = torch.tensor([labels.index(photos[row].label) for row in mine], device=classes.device)
        closest = (images[mine] @ classes.T).argmax(dim=1)
        found[kind] = 100 * (closest == right).float().mean().item()
    return found


def _words(photos: Sequence[CaptionedPhoto], vectors: Tensor, texts: Texts) -> float:
    said = [{w for text in photo.captions for w in vocabulary.keywords(text)} for photo in photos]
    words = sorted(vocabulary.common(said, LEAST_PHOTOS))
    relevant = torch.tensor([[word in photo for photo in said] for word in words])
    return metrics.average_precision(texts(words) @ vectors.T, relevant.to(vectors.device))
