"""The metrics for choices, on photos that are used only for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from training import augment, metrics, vocabulary
from training.objective import normalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from training.data import CaptionedPhoto
    from training.kinds import Model, Tokenizer

BATCH = 50
LEAST_PHOTOS = 2


@torch.inference_mode()
def validate(model: Model, tokenize: Tokenizer, photos: Sequence[CaptionedPhoto], size: int) -> str:
    """Return recall by whole captions, and average precision by single words."""
    place = model.logit_scale.device
    view = augment.plain_view(size)

    def texts(strings: Sequence[str]) -> Tensor:
        starts = range(0, len(strings), BATCH)
        tokens = (tokenize(list(strings[i : i + BATCH])).to(place) for i in starts)
        return torch.cat([normalised(model.encode_text(batch)) for batch in tokens])

    def images(batch: Sequence[CaptionedPhoto]) -> Tensor:
        pixels = [augment.to_tensor(view(augment.load(photo.path))) for photo in batch]
        return normalised(model.encode_image(torch.stack(pixels).to(place)))

    gallery = torch.cat([images(photos[start : start + BATCH]) for start in range(0, len(photos), BATCH)])
    captions = [caption for photo in photos for caption in photo.captions]
    answers = torch.tensor([i for i, photo in enumerate(photos) for _ in photo.captions])
    found = metrics.recall(texts(captions), gallery, answers.to(place))
    said = [{w for text in photo.captions for w in vocabulary.keywords(text)} for photo in photos]
    words = sorted(vocabulary.common(said, LEAST_PHOTOS))
    relevant = torch.tensor([[word in photo for photo in said] for word in words])
    precision = metrics.average_precision(texts(words) @ gallery.T, relevant.to(place))
    return f"recall {found}, words {precision:.1f}"
