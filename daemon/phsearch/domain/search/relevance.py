"""Relevance: the probability that a photo is what a query means.

A cosine alone says nothing: 0.2 is a good hit for "receipt" and noise for "outdoors". So it is judged together with
two things. The first is how widely photos in general differ by the same query: their standard deviation follows in
closed form from the covariance of the vectors of reference photos. The second is the size of the library: of ten
thousand photos some come close to anything by chance. A logistic curve of the three gives the probability (Platt 1999,
"Probabilistic outputs for support vector machines"). It is fitted on photos with captions and labels, with queries that
match none of them. The probability grows with the cosine, so a cut-off by probability never changes the order of the
hits.

`make quality` shows how little else would add: the mean of photos in general, the library's best, neutral prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from phsearch.domain.types import Vectors

Band = Literal["strong", "likely", "weak", "none"]
QueryKind = Literal["words", "photo"]
"""What a query consists of: cosines between photos are distributed otherwise than those of a text."""
BANDS: tuple[Band, ...] = ("strong", "likely", "weak")

_MIN_PHOTOS = 30
"""A library with fewer photos says nothing about photos in general."""
_MIN_STD = 1e-6
_SIZES = (10, 10_000)
"""Libraries that are smaller or larger count as these: the curves were fitted on what lies between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Logit of the probability of a photo in a library of n photos: `base` + `own` cosine + `spread` s + `size` ln n.

    The scores of photos in general for the query have the standard deviation s. Queries of this kind have `usual_mean`
    and `usual_std` for these scores.
    """

    base: float
    own: float
    spread: float
    size: float
    usual_mean: float
    usual_std: float

    def logits(self, scores: npt.NDArray[np.float64], std: float, photos: int) -> npt.NDArray[np.float64]:
        """Return the logit of each score, [n]."""
        size = np.log(np.clip(photos, *_SIZES))
        found: npt.NDArray[np.float64] = self.base + self.own * scores + self.spread * std + self.size * size
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is known of one model: its reference photos, its curves, and the lowest probability of each band."""

    words: Curve
    photo: Curve
    strong: float
    likely: float
    weak: float
    templates: tuple[str, ...] = ("{}",)
    """The vector of a short phrase is the mean over these (Radford et al. 2021, section 3.1.4)."""
    mean: Vectors | None = None
    """[dim], of reference photos; None for a model without a calibration."""
    covariance: Vectors | None = None
    """[dim, dim], of the same photos."""
    own_photos: int = 0
    """From so many of the owner's photos it was made, without captions."""

    @property
    def fitted(self) -> bool:
        """Whether it was made for this model."""
        return self.mean is not None

    @property
    def captioned(self) -> bool:
        """Whether it was fitted on photos with captions."""
        return self.fitted and not self.own_photos

    def threshold(self, band: Band) -> float:
        """Return the lowest probability of a band."""
        return {"strong": self.strong, "likely": self.likely, "weak": self.weak, "none": 0.0}[band]

    def band(self, probability: float) -> Band:
        """Return the highest band that a probability reaches."""
        return next((band for band in BANDS if probability >= self.threshold(band)), "none")


def probabilities(
    calibration: Calibration, query: Vectors, scores: Vectors, kind: QueryKind, *, combined: bool = False
) -> npt.NDArray[np.float64] | None:
    """Return the probability of each photo, [n], from the cosines `scores` ([n]) of the whole library with `query`.

    `query` is [dim]. None if the model is not calibrated. The cosines of a query with several aims, or of one that
    leads away from something, are unlike those of a phrase: with `combined` only their distance from the scores of
    photos in general counts, in standard deviations.
    """
    if calibration.mean is None or calibration.covariance is None or not len(scores):
        return None
    curve = calibration.words if kind == "words" else calibration.photo
    std = max(float(query @ calibration.covariance @ query), 0.0) ** 0.5
    cosines = scores.astype(np.float64)
    if combined:
        cosines = curve.usual_mean + curve.usual_std * (cosines - float(calibration.mean @ query)) / max(std, _MIN_STD)
        std = curve.usual_std
    logit = curve.logits(cosines, std, len(scores))
    probability: npt.NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logit, -50, 50)))
    return probability


def score_std(calibration: Calibration, aims: Vectors, scores: Vectors) -> Vectors:
    """Return the standard deviation, [m], of the scores of photos in general for `aims`, [m, dim].

    `scores`, [n, m], are those of the library, which stands for photos in general if there is no reference.
    """
    if calibration.covariance is not None:
        variance = np.einsum("md,de,me->m", aims, calibration.covariance, aims)
        std: Vectors = np.sqrt(np.maximum(variance, 0)).astype(np.float32)
        return std
    if len(scores) < _MIN_PHOTOS:
        return np.ones(len(aims), np.float32)
    library_std: Vectors = scores.std(axis=0).astype(np.float32)
    return library_std


_NO_CURVE = Curve(base=0, own=0, spread=0, size=0, usual_mean=0, usual_std=1)
UNCALIBRATED = Calibration(words=_NO_CURVE, photo=_NO_CURVE, strong=1, likely=1, weak=1)
"""For a model without a calibration: its photos have no relevance. The scores of the library are no substitute: among
red photos none would stand out as red.
"""
