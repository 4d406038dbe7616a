"""The losses, each with its paper.

All of them take unit vectors and a temperature ``scale`` (a factor, not a divisor).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

NOTHING = -1e4
"""A logit whose probability is 0; finite, so that a target of 0 times it stays 0."""


def same_photo(image_ids: Tensor, text_ids: Tensor) -> Tensor:
    """Return which image (row) belongs to which text (column)."""
    return image_ids[:, None] == text_ids[None, :]


def contrastive(images: Tensor, texts: Tensor, matches: Tensor, scale: Tensor, unknown: Tensor | None = None) -> Tensor:
    """Pull matching pairs together, push the others apart, in both directions.

    The symmetric cross-entropy of CLIP (Radford et al. 2021, "Learning Transferable
    Visual Models From Natural Language Supervision"), with several positives a row as
    in supervised contrastive learning (Khosla et al. 2020, "Supervised Contrastive
    Learning"): five captions share a photo and must not be negatives of each other.
    Rows or columns without any match are ignored.  Pairs that are ``unknown`` are neither positive nor negative.
    """
    logits = without(scale * images @ texts.T, unknown)
    targets = matches.to(logits.dtype)
    return (soft_ranking(logits, targets) + soft_ranking(logits.T, targets.T)) / 2


def without(logits: Tensor, unknown: Tensor | None) -> Tensor:
    """Return logits in which the pairs that nobody judged take no part."""
    return logits if unknown is None else logits.masked_fill(unknown, NOTHING)


def soft_ranking(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each row against non-negative targets, normalised here.

    The listwise loss ListNet (Cao et al. 2007, "Learning to Rank: From Pairwise Approach
    to Listwise Approach").  A row's weight is its targets' sum, at most one.
    """
    mass = targets.sum(dim=1)
    weight = mass.clamp(max=1)
    goal = targets / mass.clamp(min=1e-6)[:, None]
    rows = -(goal * functional.log_softmax(logits, dim=1)).sum(dim=1)
    return (rows * weight).sum() / weight.sum().clamp(min=1e-6)


def hardest_negatives(images: Tensor, texts: Tensor, matches: Tensor, margin: float) -> Tensor:
    """Hinge on the closest wrong photo of each text and the closest wrong text of each photo.

    VSE++ (Faghri et al. 2018, "VSE++: Improving Visual-Semantic Embeddings with Hard
    Negatives").
    """
    similarity = images @ texts.T
    best = similarity.masked_fill(~matches, -1)
    wrong = similarity.masked_fill(matches, -1)
    by_image = functional.relu(margin + wrong.amax(dim=1) - best.amax(dim=1))
    by_text = functional.relu(margin + wrong.amax(dim=0) - best.amax(dim=0))
    return by_image.mean() + by_text.mean()


def distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the student's logits from the teacher's probabilities.

    Hinton et al. 2015, "Distilling the Knowledge in a Neural Network".  Here the student's
    logits are an image's similarities to the thousand class names, and the teacher is the
    classifier that the image tower was before it lost its last layer.
    """
    return functional.kl_div(functional.log_softmax(student, dim=1), teacher, reduction="batchmean")


def same_neighbours(student: Tensor, teacher: Tensor, scale: float) -> Tensor:
    """Keep the neighbourhoods that the words had before training.

    Relational distillation (Park et al. 2019, "Relational Knowledge Distillation"), on the
    softmax over the other words of a batch: the pictures teach only few words, the
    sentence encoder knows all of them.
    """
    others = ~torch.eye(len(student), dtype=torch.bool, device=student.device)
    size = (len(student), len(student) - 1)
    ours = (scale * student @ student.T)[others].view(size)
    theirs = (scale * teacher @ teacher.T)[others].view(size)
    return distillation(ours, functional.softmax(theirs, dim=1))
