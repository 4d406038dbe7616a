"""How probable it is that a photo is what a query meant.

A cosine says nothing by itself: 0.2 is a find for "receipt" and noise for "outdoors". It is read against two things.
The first is what photos in general score for this very query, their mean and spread, which follow in closed form from
mean and covariance of the vectors of reference photos. The second is the library itself: what lies far below its
best find is not meant beside it. A logistic curve of the two, fitted on captioned photos with queries that match
nothing among them, gives the probability (Platt 1999, "Probabilistic outputs for support vector machines"). It grows
with the cosine, so a cut-off by probability never changes the order of what is shown.

What a photo scores for neutral prompts was measured, too, and adds nothing to these: `make quality` shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from phsearch.domain.types import Vectors

Band = Literal["strong", "likely", "weak", "none"]
Kind = Literal["words", "photo"]
"""What a query is made of: a photo's cosines with photos are of another kind than a text's."""
BANDS: tuple[Band, ...] = ("strong", "likely", "weak")

SHORT = 2
"""Words of a phrase that is short: it is put into templates."""

_FEWEST = 30
"""With fewer photos a library says nothing of photos in general."""
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Curve:
    """Logit of the probability of a photo that lies z standard deviations above photos in general.

    It is `base` + `own` z + `below` (z - the highest z of the library).
    """

    base: float
    own: float
    below: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of one model: its reference photos, its curves, and from which probability on a band begins."""

    words: Curve
    photo: Curve
    strong: float
    likely: float
    weak: float
    templates: tuple[str, ...] = ("{}",)
    """A phrase of few words is the mean of its vectors in these (Radford et al. 2021, section 3.1.4)."""
    mean: Vectors | None = None
    """[dim], of reference photos; None for a model that nobody has calibrated."""
    covariance: Vectors | None = None
    """[dim, dim], of the same."""

    @property
    def fitted(self) -> bool:
        """Whether it was made for this very model."""
        return self.mean is not None

    def threshold(self, band: Band) -> float:
        """Give the probability from which on a photo is of at least this band."""
        return {"strong": self.strong, "likely": self.likely, "weak": self.weak, "none": 0.0}[band]

    def band(self, probability: float) -> Band:
        """Give the highest band that a probability reaches."""
        return next((band for band in BANDS if probability >= self.threshold(band)), "none")


def probabilities(
    calibration: Calibration, query: Vectors, scores: Vectors, kind: Kind
) -> npt.NDArray[np.float64] | None:
    """Give the probability of each photo, [n], of the cosines `scores` ([n]) of the whole library with `query` ([dim]).

    None where the model is not calibrated: then nothing can be said.
    """
    if calibration.mean is None or calibration.covariance is None or not len(scores):
        return None
    mean = float(calibration.mean @ query)
    spread = max(float(query @ calibration.covariance @ query), 0.0) ** 0.5
    z = (scores.astype(np.float64) - mean) / max(spread, _LEAST)
    logit = logits(calibration.words if kind == "words" else calibration.photo, z)
    chances: npt.NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logit, -50, 50)))
    return chances


def logits(curve: Curve, z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give the logit of each photo of a library, [n], of how far it lies above photos in general, `z` ([n])."""
    found: npt.NDArray[np.float64] = curve.base + curve.own * z + curve.below * (z - z.max())
    return found


def score_std(calibration: Calibration, aims: Vectors, scores: Vectors) -> Vectors:
    """Give the standard deviation, [m], of what photos in general score for `aims`, [m, dim].

    `scores`, [n, m], are those of the library, which stands for photos in general where there is no reference.
    """
    if calibration.covariance is not None:
        variance = np.einsum("md,de,me->m", aims, calibration.covariance, aims)
        found: Vectors = np.sqrt(np.maximum(variance, 0)).astype(np.float32)
        return found
    if len(scores) < _FEWEST:
        return np.ones(len(aims), np.float32)
    spread: Vectors = scores.std(axis=0).astype(np.float32)
    return spread


UNCALIBRATED = Calibration(Curve(0, 0, 0), Curve(0, 0, 0), strong=1, likely=1, weak=1)
"""Of a model nobody has calibrated: nothing is said of its photos. A library's own scores are no substitute: in one of
red photos none would stand out as red.
"""
