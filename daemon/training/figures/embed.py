"""Embeds photos and texts with a loaded bundle, in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from open_clip.transform import PreprocessCfg, image_transform_v2

from training.objective import normalised
from training.photos import augment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image
    from torch import Tensor

    from training.kinds import Model, Tokenizer


BATCH = 32


@dataclass(frozen=True)
class Embedder:
    """A model with its tokenizer and its preprocessing."""

    model: Model
    tokenize: Tokenizer
    preprocess: dict[str, Any]
    resize_mode: str
    size: int

    @classmethod
    def of(cls, model: Model, tokenize: Tokenizer, preprocess: dict[str, Any]) -> Self:
        """Return the embedder of a bundle: the arguments are the result of ``towers.load_bundle``."""
        return cls(model, tokenize, preprocess, preprocess["resize_mode"], preprocess["size"])

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """Return unit vectors of decoded pictures."""
        config = PreprocessCfg(**{**self.preprocess, "resize_mode": self.resize_mode})
        transform = image_transform_v2(config, is_train=False)
        batch = torch.stack([transform(image) for image in images])
        return normalised(self.model.encode_image(batch))

    def photos(self, paths: Sequence[Path]) -> Tensor:
        """Return unit vectors of photos on disk."""
        starts = range(0, len(paths), BATCH)
        batches = ([augment.load(path) for path in paths[i : i + BATCH]] for i in starts)
        return torch.cat([self.images(batch) for batch in batches])

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors of texts."""
        starts = range(0, len(texts), BATCH)
        batches = (self.tokenize(list(texts[i : i + BATCH])) for i in starts)
        return torch.cat([normalised(self.model.encode_text(batch)) for batch in batches])
