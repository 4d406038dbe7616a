"""A calibration without captions: a model is judged by its scores for everyday phrases over the owner's own photos.

Models spread their cosines over different ranges. Mean and standard deviation of the scores of everyday phrases are the
zero and the unit of a scale on which one curve serves all of them. `make quality` measures it on mini, which is treated
as if it had no calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.search.relevance import Calibration, Curve

if TYPE_CHECKING:
    from phsearch.domain.types import Vectors

TEMPLATES = ("{}", "a photo of a {}", "there is {}")
"""Prompts that help models of CLIP's kind (Radford et al. 2021, section 3.1.4)."""
STRONG, LIKELY, WEAK = 0.5, 0.25, 0.1
EVERY = 5
"""Of the everyday phrases one in so many is enough. Those of one field stand side by side."""
LEAST_PHOTOS = 100
"""Fewer photos do not say what photos in general are like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralCurve:
    """A curve whose `own` and `spread` count in standard deviations of usual scores, and `base` from their mean."""

    base: float
    own: float
    spread: float
    size: float

    def of_model(self, scores: Vectors) -> Curve:
        """Return the curve for a model with the usual scores [queries, photos]."""
        mean, std = float(scores.mean()), float(scores.std())
        return Curve(
            base=self.base - self.own * mean / std,
            own=self.own / std,
            spread=self.spread / std,
            size=self.size,
            usual_mean=mean,
            usual_std=float(scores.std(axis=1).mean()),
        )


WORDS = GeneralCurve(base=1.14, own=1.54, spread=-4.91, size=-0.513)
PHOTO = GeneralCurve(base=-3.92, own=1.52, spread=-1.05, size=-0.189)


def others(photos: Vectors) -> Vectors:
    """Return the cosines of each photo with all others, [n, n - 1]."""
    likenesses = photos @ photos.T
    rest: Vectors = likenesses[~np.eye(len(photos), dtype=np.bool_)].reshape(len(photos), -1)
    return rest


def own_calibration(photos: Vectors, phrases: Vectors) -> Calibration:
    """Return the calibration by some of the owner's photos, [n, dim], and everyday phrases, [k, dim], as unit rows."""
    return Calibration(
        words=WORDS.of_model(phrases @ photos.T),
        photo=PHOTO.of_model(others(photos)),
        strong=STRONG,
        likely=LIKELY,
        weak=WEAK,
        templates=TEMPLATES,
        mean=photos.mean(axis=0),
        covariance=np.cov(photos.T).astype(np.float32),
        own_photos=len(photos),
    )
