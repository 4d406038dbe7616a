"""What is known of each picture, as a vector of the sentence encoder: a teacher for words that no caption uses.

EfficientNet's own probabilities, square-rooted, weigh the sentence vectors of their class names; captions and labels
are added.  A word is true of a picture to the degree that it is close to that (Frome et al. 2013, "DeViSE"; Norouzi et
al. 2014, "Zero-Shot Learning by Convex Combination of Semantic Embeddings").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from training.words import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from training.photos.pool import Picture

MOST_CLASSES = 30


class Meanings:
    """The described half is computed once; the seen half comes with the probabilities of each view."""

    def __init__(
        self, pictures: Sequence[Picture], sentences: Callable[[Sequence[str]], Tensor], described: float
    ) -> None:
        """``sentences`` returns unit vectors [n, width] of texts; ``described`` weighs texts against what is seen."""
        names = [name for names in vocabulary.class_names() for name in names]
        owners = torch.tensor([row for row, names in enumerate(vocabulary.class_names()) for _ in names])
        vectors = sentences(names)
        summed = torch.zeros(vocabulary.CLASSES, vectors.shape[1]).to(vectors)
        self.classes = functional.normalize(summed.index_add_(0, owners.to(vectors.device), vectors), dim=-1)
        sentences([text for picture in pictures for text in picture.texts])  # learns all of them in large batches
        means = [sentences(picture.terms or picture.texts).mean(dim=0) for picture in pictures]
        self.texts = functional.normalize(torch.stack(means), dim=-1)
        self.described = described

    def of(self, rows: Tensor, probabilities: Tensor) -> Tensor:
        """Return unit vectors [n, width] of pictures, given their probabilities [n, 1000]."""
        best, found = probabilities.topk(MOST_CLASSES, dim=1)
        weights = torch.zeros_like(probabilities).scatter_(1, found, best.sqrt())
        seen = functional.normalize(weights @ self.classes, dim=-1)
        return functional.normalize(seen + self.described * self.texts[rows.to(self.texts.device)], dim=-1)
