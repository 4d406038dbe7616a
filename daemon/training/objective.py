"""The objective of a training step: five goals for one batch of pictures and some texts."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn import functional

from training import losses, vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from training.pool import Pool


class Towers(Protocol):
    """Two encoders into one space; both return unit vectors."""

    def images(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Encode pictures of the pool; return also the classifier's probabilities."""

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Encode texts."""

    def sentences(self, texts: Sequence[str]) -> Tensor:
        """Encode texts by the sentence encoder as it was before training."""

    def scale(self) -> Tensor:
        """Return the factor of the similarities."""


@dataclass(frozen=True)
class Weights:
    """The weight of each goal, and the number of texts it draws per step."""

    captions: float = 1.0
    classes: float = 1.0
    groups: float = 0.3
    keywords: float = 0.5
    structure: float = 0.3
    drawn_classes: int = 1000
    drawn_groups: int = 96
    drawn_keywords: int = 256
    drawn_words: int = 256
    structure_scale: float = 20.0


class Objective:
    """Draws the texts of a step and sums its losses."""

    def __init__(self, pool: Pool, words: Sequence[str], weights: Weights, seed: int) -> None:
        """``words`` are those whose neighbourhoods must stay."""
        self.pool = pool
        self.words = words
        self.weights = weights
        self.random = random.Random(seed)  # noqa: S311
        self.group_ids = pool.groups()
        self.classes = vocabulary.concepts()[: vocabulary.CLASSES]
        self.groups = vocabulary.concepts()[vocabulary.CLASSES :]
        self.membership = torch.zeros(len(self.groups), vocabulary.CLASSES)
        for row, concept in enumerate(self.groups):
            self.membership[row, list(concept.members)] = 1
        self.captioned = torch.tensor([picture.captioned for picture in pool.pictures])

    def loss(self, towers: Towers, rows: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return the sum to minimise, and its parts by name."""
        images, probabilities = towers.images(rows)
        scale = towers.scale()
        weights = self.weights
        parts = {
            "captions": (weights.captions, self._captions(towers, images, rows, scale)),
            "classes": (weights.classes, self._classes(towers, images, probabilities, scale)),
            "groups": (weights.groups, self._groups(towers, images, probabilities, scale)),
            "keywords": (weights.keywords, self._keywords(towers, images, rows, scale)),
            "structure": (weights.structure, self._structure(towers)),
        }
        total = torch.stack([factor * part for factor, part in parts.values()]).sum()
        return total, {name: part.item() for name, (_, part) in parts.items()}

    def _captions(self, towers: Towers, images: Tensor, rows: Tensor, scale: Tensor) -> Tensor:
        chosen = [self.random.choice(self.pool.pictures[row].texts) for row in rows.tolist()]
        ids = self.group_ids[rows].to(images.device)
        return losses.contrastive(images, towers.texts(chosen), losses.same_photo(ids, ids), scale)

    def _classes(self, towers: Towers, images: Tensor, probabilities: Tensor, scale: Tensor) -> Tensor:
        """Images rank class names as the classifier does."""
        drawn = self.random.sample(range(len(self.classes)), self.weights.drawn_classes)
        names = [self._phrase(self.classes[index].names) for index in drawn]
        logits = scale * images @ towers.texts(names).T
        return losses.soft_ranking(logits, probabilities[:, drawn])

    def _groups(self, towers: Towers, images: Tensor, probabilities: Tensor, scale: Tensor) -> Tensor:
        """Everyday words rank the pictures by the probability that they show the thing."""
        drawn = self.random.sample(range(len(self.groups)), self.weights.drawn_groups)
        names = [self._phrase(self.groups[index].names) for index in drawn]
        shown = self.membership[drawn].to(images.device) @ probabilities.T
        return losses.soft_ranking(scale * towers.texts(names) @ images.T, shown.square())

    def _keywords(self, towers: Towers, images: Tensor, rows: Tensor, scale: Tensor) -> Tensor:
        """Keywords rank the captioned pictures by how many of their captions use them."""
        kept = self.captioned[rows]
        relevance = self.pool.relevance[rows[kept]].float()
        weights = self.pool.weights * relevance.amax(dim=0).clamp(max=1)
        count = min(self.weights.drawn_keywords, int((weights > 0).sum()))
        drawn = torch.multinomial(weights, count)
        words = [self._phrase((self.pool.keywords[index],)) for index in drawn.tolist()]
        logits = scale * towers.texts(words) @ images[kept.to(images.device)].T
        return losses.soft_ranking(logits, relevance[:, drawn].T.to(images.device))

    def _structure(self, towers: Towers) -> Tensor:
        words = self.random.sample(self.words, self.weights.drawn_words)
        ours, theirs = towers.texts(words), towers.sentences(words)
        return losses.same_neighbours(ours, theirs, self.weights.structure_scale)

    def _phrase(self, names: Sequence[str]) -> str:
        usual_first = names[0] if self.random.random() < 0.5 else self.random.choice(names)  # noqa: PLR2004
        return vocabulary.phrase(usual_first, self.random)


def normalised(features: Tensor) -> Tensor:
    """Return unit vectors."""
    return functional.normalize(features, dim=-1)
