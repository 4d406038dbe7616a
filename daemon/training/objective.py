"""The objective of a training step: eight goals for one batch of pictures and some texts."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn import functional

from training import losses
from training.words import vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from training.photos.pool import Pool


class Towers(Protocol):
    """Two encoders into one space; both return unit vectors."""

    def images(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Encode pictures of the pool; return also the classifier's probabilities."""

    def imagined(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Encode features that no picture has; return also the classifier's probabilities."""

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Encode texts."""

    def sentences(self, texts: Sequence[str]) -> Tensor:
        """Encode texts by the sentence encoder as it was before training."""

    def taught(self, rows: Tensor, texts: Sequence[str]) -> Tensor | None:
        """Return the scaled similarities of pictures and texts by the model before training, None if there was none."""

    def scale(self) -> Tensor:
        """Return the factor of the similarities."""


@dataclass(frozen=True)
class Weights:
    """The weight of each goal, and the number of texts it draws per step."""

    captions: float = 1.0
    kept: float = 1.0
    classes: float = 1.0
    groups: float = 0.3
    keywords: float = 0.5
    structure: float = 0.3
    labels: float = 1.0
    terms: float = 0.25
    imagined: float = 1.0
    drawn_classes: int = 1000
    drawn_groups: int = 96
    drawn_keywords: int = 256
    drawn_words: int = 256
    drawn_labels: int = 1000
    drawn_terms: int = 256
    structure_scale: float = 20.0
    unjudged: float = 0.5
    """A text closer than this to what a picture is known to show (a cosine of sentences) is no negative of it."""


class Objective:
    """Draws the texts of a step and sums its losses."""

    def __init__(self, pool: Pool, words: Sequence[str], weights: Weights, towers: Towers, seed: int) -> None:
        """``words`` are those whose neighbourhoods must stay, and by which pictures are told apart."""
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
        self.labelled = torch.tensor([bool(picture.terms) for picture in pool.pictures])
        self.known = Known(pool)
        towers.sentences([text for picture in pool.pictures for text in picture.texts])  # in large batches
        said = [towers.sentences(picture.terms or picture.texts).mean(dim=0) for picture in pool.pictures]
        self.described = normalised(torch.stack(said))

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
            "labels": (weights.labels, self._labels(towers, images, rows, scale)),
            "terms": (weights.terms, self._terms(towers, images, rows, scale)),
            "imagined": (weights.imagined, self._imagined(towers, rows, scale)),
        }
        total = torch.stack([factor * part for factor, part in parts.values()]).sum()
        return total, {name: part.item() for name, (_, part) in parts.items()}

    def _captions(self, towers: Towers, images: Tensor, rows: Tensor, scale: Tensor) -> Tensor:
        chosen = [self.random.choice(self.pool.pictures[row].texts) for row in rows.tolist()]
        ids = self.group_ids[rows].to(images.device)
        matches = losses.same_photo(ids, ids)
        # Captions of two photos are told apart as they are; a label may be true of any photo that says the like.
        captioned = self.captioned[rows].to(images.device)
        judged = (captioned[:, None] & captioned[None, :]) | matches
        close = self._close(towers, rows, chosen)
        texts = towers.texts(chosen)
        loss = losses.contrastive(images, texts, matches, scale, close & ~judged)
        before = towers.taught(rows, chosen)
        if before is None or not self.weights.kept:
            return loss
        # What the labels say is new; of captions nothing may be lost.
        logits, before = (each[captioned][:, captioned] for each in (scale * images @ texts.T, before))
        kept = losses.distillation(logits, before.softmax(dim=1)) + losses.distillation(
            logits.T, before.T.softmax(dim=1)
        )
        return loss + self.weights.kept / 2 * kept

    def _close(self, towers: Towers, rows: Tensor, texts: Sequence[str]) -> Tensor:
        """Return for each picture and text whether the text is close to what the picture is known to show."""
        return self.described[rows.to(self.described.device)] @ towers.sentences(texts).T > self.weights.unjudged

    def _labels(self, towers: Towers, images: Tensor, rows: Tensor, scale: Tensor) -> Tensor:
        """Labelled pictures rank the labels of all sets; what is true beside the own label counts less."""
        kept = self.labelled[rows]
        relevance = self.known.labels[rows[kept]]
        present = relevance.amax(dim=0) > 0
        order = (present.float() + torch.rand(len(present))).argsort(descending=True)
        drawn = order[: self.weights.drawn_labels]
        names = [self.random.choice(self.known.sentences[index]) for index in drawn.tolist()]
        targets = relevance[:, drawn].to(images.device)
        plain = [self.known.names[index] for index in drawn.tolist()]
        unknown = self._close(towers, rows[kept], plain) & (targets == 0)
        # Within a set each label is judged: that makes the hard negatives.
        kinds = self.known.kinds[drawn]
        unknown &= ~(self.known.picture_kinds[rows[kept]] @ kinds.T > 0).to(unknown.device)
        logits = scale * images[kept.to(images.device)] @ towers.texts(names).T
        return losses.soft_ranking(losses.without(logits, unknown), targets)

    def _terms(self, towers: Towers, images: Tensor, rows: Tensor, scale: Tensor) -> Tensor:
        """Words that are true of labelled pictures rank all pictures, but for those that nobody judged."""
        relevance = self.known.terms[rows].float()
        weights = relevance.sum(dim=0).sqrt()
        count = min(self.weights.drawn_terms, int((weights > 0).sum()))
        drawn = torch.multinomial(weights, count)
        names = [self.known.term_names[index] for index in drawn.tolist()]
        targets = relevance[:, drawn].T.to(images.device)
        unknown = self._close(towers, rows, names).T & (targets == 0)
        logits = scale * towers.texts([self._phrase((name,)) for name in names]) @ images.T
        return losses.soft_ranking(losses.without(logits, unknown), targets)

    def _imagined(self, towers: Towers, rows: Tensor, scale: Tensor) -> Tensor:
        """Features that no photo at hand has rank the class names as the classifier does."""
        if not self.weights.imagined:
            return scale.new_zeros(())
        images, probabilities = towers.imagined(rows)
        names = [self._phrase(concept.names) for concept in self.classes]
        return losses.soft_ranking(scale * images @ towers.texts(names).T, probabilities)

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


class Known:
    """What the labels say: of each picture, which labels and which wider words are true."""

    IMPLIED = 0.3
    """The weight of a label that is true beside the picture's own: a painting of a dog is a dog, too."""

    def __init__(self, pool: Pool) -> None:
        pictures = pool.pictures
        self.names = sorted({picture.terms[0] for picture in pictures if picture.terms})
        self.term_names = sorted({term for picture in pictures for term in picture.terms})
        label_of = {name: column for column, name in enumerate(self.names)}
        term_of = {name: column for column, name in enumerate(self.term_names)}
        kind_of = {kind: column for column, kind in enumerate(sorted({picture.kind for picture in pictures}))}
        said: list[dict[str, None]] = [{} for _ in self.names]
        self.labels = torch.zeros(len(pictures), len(self.names))
        self.terms = torch.zeros(len(pictures), len(self.term_names), dtype=torch.bool)
        self.kinds = torch.zeros(len(self.names), len(kind_of))
        self.picture_kinds = torch.zeros(len(pictures), len(kind_of))
        for row, picture in enumerate(pictures):
            for term in picture.terms:
                self.terms[row, term_of[term]] = True
                if term in label_of:
                    self.labels[row, label_of[term]] = self.IMPLIED
            if picture.terms:
                own = label_of[picture.terms[0]]
                self.labels[row, own] = 1
                said[own].update(dict.fromkeys(picture.texts))
                self.kinds[own, kind_of[picture.kind]] = 1
                self.picture_kinds[row, kind_of[picture.kind]] = 1
        self.sentences = [tuple(texts) for texts in said]


def normalised(features: Tensor) -> Tensor:
    """Return unit vectors."""
    return functional.normalize(features, dim=-1)
