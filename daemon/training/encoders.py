"""The two ways to run the model in training: with everything frozen below the heads, or less."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch

from training.objective import normalised
from training.photos import cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from training.kinds import Model
    from training.words import sentences


HOTTEST = 100.0
FADED = 0.5
AHEAD = (-1.0, 5.0)
"""By how much the logit of an imagined class is above the others."""


class Former:
    """The model that training starts from, as a teacher: its own heads on the plain view of pictures."""

    def __init__(self, model: Model, view: cache.View, started: sentences.FrozenSentences) -> None:
        """``view`` and ``started`` are of its towers."""
        self.started = started
        with torch.no_grad():
            place = next(model.parameters()).device
            self.pictures = normalised(model.visual.head(view.started.to(place)))
            self.scale = model.logit_scale.exp().clamp(max=HOTTEST)
        self.proj = model.text.proj

    @torch.no_grad()
    def logits(self, rows: Tensor, texts: Sequence[str]) -> Tensor:
        """Return its scaled similarities, [pictures, texts]."""
        found: Tensor = self.scale * self.pictures[rows] @ normalised(self.proj(self.started(texts))).T
        return found


class Encoders(ABC):
    """The common part: the views, the teachers, the temperature."""

    def __init__(
        self,
        model: Model,
        views: Sequence[cache.View],
        classifier: Model,
        frozen: sentences.FrozenSentences,
        started: sentences.FrozenSentences,
        former: Former | None,
        seed: int,
    ) -> None:
        """``classifier`` is the former last layer of the image tower, ``frozen`` the sentence encoder as it was once.

        ``started`` is the text tower as training finds it.
        """
        self.model = model
        self.views = views
        self.frozen, self.started, self.former = frozen, started, former
        self.place = next(model.parameters()).device
        self.random = random.Random(seed)  # noqa: S311
        self.classifier = classifier.to(self.place)
        with torch.no_grad():
            self.teacher = [classifier(view.pooled).softmax(dim=1).half() for view in views]

    @abstractmethod
    def images(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Encode pictures; return also the probabilities of the classifier."""

    @abstractmethod
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Encode texts."""

    def imagined(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Encode the pictures' features after each was moved towards a random class; only the head learns from it.

        The classifier knows a thousand things, and the photos at hand show few of them.  A feature that it takes for an
        accordion teaches the head what the accordion's name means, without a photo of one.
        """
        pooled = self.views[self.random.randrange(len(self.views))].started[rows].to(self.place)
        with torch.no_grad():
            features = imagine(self.classifier, pooled)
            probabilities = self.classifier(features).softmax(dim=1)
        return normalised(self.model.visual.head(features)), probabilities

    def taught(self, rows: Tensor, texts: Sequence[str]) -> Tensor | None:
        """Return the scaled similarities that the model had before, None where training starts anew."""
        return None if self.former is None else self.former.logits(rows, texts)

    def scale(self) -> Tensor:
        """Return CLIP's learned temperature, with the same bound."""
        scale: Tensor = self.model.logit_scale.exp().clamp(max=HOTTEST)
        return scale

    def sentences(self, texts: Sequence[str]) -> Tensor:
        """Encode texts as before training."""
        return normalised(self.frozen(texts))


def imagine(classifier: Model, pooled: Tensor) -> Tensor:
    """Return features [n, width] of pictures, faded and then moved towards a class until it is likely, or all but.

    The shortest way in the classifier's own space; features cannot be negative after the pooling.
    """
    faded = pooled * (1 - FADED * torch.rand(len(pooled), 1, device=pooled.device))
    logits = classifier(faded)
    wanted = torch.randint(logits.shape[1], (len(pooled), 1), device=pooled.device)
    ahead = AHEAD[0] + (AHEAD[1] - AHEAD[0]) * torch.rand(len(pooled), device=pooled.device)
    missing = logits.amax(dim=1) - logits.gather(1, wanted)[:, 0] + ahead
    direction = classifier.weight[wanted[:, 0]]
    steps = (missing / direction.square().sum(dim=1)).clamp(min=0)
    moved: Tensor = (faded + steps[:, None] * direction).clamp(min=0)
    return moved


class HeadEncoders(Encoders):
    """Both towers are frozen: pooled features go directly to the heads."""

    def images(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Draw one view for the whole batch."""
        number = self.random.randrange(len(self.views))
        pooled = self.views[number].started[rows].to(self.place)
        teacher = self.teacher[number][rows].float().to(self.place)
        return normalised(self.model.visual.head(pooled)), teacher

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Look up the text tower's output, apply the head."""
        return normalised(self.model.text.proj(self.started(texts)))


class ImageTowerEncoders(HeadEncoders):
    """The upper half of the image tower runs, too; texts are those of the frozen sentence encoder."""

    def images(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Draw one view for the whole batch and run the upper half on it."""
        number = self.random.randrange(len(self.views))
        middle = torch.from_numpy(self.views[number].middle[rows.numpy()]).to(self.place).float()
        middle = middle.to(memory_format=torch.channels_last)
        teacher = self.teacher[number][rows].float().to(self.place)
        visual = self.model.visual
        return normalised(visual.head(cache.upper(visual.trunk, middle))), teacher
