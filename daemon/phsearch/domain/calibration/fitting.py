"""Fits a calibration to photos with captions and labels: reference, templates if they find better, and curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.calibration import libraries
from phsearch.domain.calibration.truth import UNKNOWN, YES
from phsearch.domain.search.own_calibration import LIKELY, PHOTO, STRONG, WEAK, GeneralCurve, others
from phsearch.domain.search.relevance import Calibration, Curve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from phsearch.domain.calibration.libraries import Library
    from phsearch.domain.calibration.truth import Case
    from phsearch.domain.types import Vectors

_STEPS = 50
_RIDGE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Queries about photos: the first `words` of the m cases are words and short phrases, the rest are captions."""

    cases: Sequence[Case]
    words: int
    texts: Mapping[tuple[str, ...], Vectors]
    """The vectors of the queries, [m, dim], by the templates that they are put into."""
    photos: Vectors
    """[n, dim]."""
    alike: npt.NDArray[np.int8]
    """Of each two photos, [n, n], whether they are alike: YES, NO or UNKNOWN."""


def fit(examples: Examples, reference: Vectors) -> Calibration:
    """Return the calibration; `reference`, [k, dim], are photos in general.

    A photo as a query counts as for any model where no two photos are known to be alike. Raise ValueError where no
    query means a photo and leaves another out.
    """
    mean, covariance = reference.mean(axis=0), np.cov(reference.T).astype(np.float32)
    meant, photos = [case.meant for case in examples.cases], examples.photos
    asked = meant[: examples.words] or meant

    def found(templates: tuple[str, ...]) -> float:
        return mean_precision(examples.texts[templates][: len(asked)] @ photos.T, asked)

    templates = max(examples.texts, key=found)
    if (examples.alike == YES).any():
        photo = curve(photos, photos, list(examples.alike), mean, covariance)
    else:
        photo = PHOTO.of_model(others(photos))
    return Calibration(
        words=curve(examples.texts[templates], photos, meant, mean, covariance),
        photo=photo,
        strong=STRONG,
        likely=LIKELY,
        weak=WEAK,
        templates=templates,
        mean=mean,
        covariance=covariance,
    )


def curve(
    queries: Vectors,
    photos: Vectors,
    meant: Sequence[npt.NDArray[np.int8]],
    mean: Vectors,
    covariance: Vectors,
    seed: int = 1,
) -> Curve:
    """Fit the curve on libraries drawn from `photos`, [n, dim], for `queries`, [m, dim].

    Raise ValueError where no query means a photo and leaves another out.
    """
    cosines = np.asarray(queries @ photos.T, np.float64)
    stds = spreads(queries, covariance)
    if not (dealt := list(libraries.deal(meant, seed))):
        raise ValueError("no query tells photos apart")
    rows = [feature_rows(cosines, stds, library) for library in dealt]
    # Otherwise large libraries would outweigh small ones, of which there are as many.
    weights = np.concatenate([np.full(len(each), len(each) ** -0.5) for each in rows])
    labels = np.concatenate([library.meant for library in dealt]).astype(np.float64)
    base, own, spread, size = map(float, logistic(np.concatenate(rows), labels, weights))
    usual_mean, usual_std = float((queries @ mean).mean()), float(stds.mean())
    return Curve(base=base, own=own, spread=spread, size=size, usual_mean=usual_mean, usual_std=usual_std)


def general(curve: Curve, scores: Vectors) -> GeneralCurve:
    """Return a curve on the scale of usual `scores`, [queries, photos], on which it serves other models, too."""
    mean, std = float(scores.mean()), float(scores.std())
    own = curve.own * std
    return GeneralCurve(base=curve.base + curve.own * mean, own=own, spread=curve.spread * std, size=curve.size)


def spreads(queries: Vectors, covariance: Vectors) -> npt.NDArray[np.float64]:
    """Return the standard deviation of the scores of photos in general for each query, [m]."""
    return np.asarray(np.sqrt(np.einsum("md,de,me->m", queries, covariance, queries)), np.float64)


def logistic(
    features: npt.NDArray[np.float64], labels: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the coefficients of a weighted logistic regression by Newton's method."""
    weights = weights / weights.sum()
    found = np.zeros(features.shape[1])
    for _ in range(_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(features @ found, -30, 30)))
        slope = features.T @ (weights * (probability - labels))
        bend = (features * (weights * probability * (1 - probability))[:, None]).T @ features
        step = np.linalg.solve(bend + _RIDGE * np.eye(len(found)), slope)
        found -= step
        if np.abs(step).max() < _RIDGE:
            break
    return found


def feature_rows(
    cosines: npt.NDArray[np.float64], stds: npt.NDArray[np.float64], library: Library
) -> npt.NDArray[np.float64]:
    """Return what a curve knows of each photo of a library, [n, 4]: 1, cosine, spread of the query, size."""
    own = cosines[library.query][library.photos]
    rest = (stds[library.query], np.log(len(own)))
    return np.stack([np.ones(len(own)), own, *(np.full(len(own), each) for each in rest)], axis=1)


def mean_precision(scores: npt.NDArray[np.floating], meant: Sequence[npt.NDArray[np.int8]]) -> float:
    """Return the mean average precision of queries: `scores` [m, n], and of each what is `meant`, [n]."""
    return float(np.mean([average_precision(by_score(*each)) for each in zip(scores, meant, strict=True)]))


def by_score(scores: npt.NDArray[np.floating], meant: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """Return whether each photo is meant, best score first, without those of which nothing is known."""
    known = meant != UNKNOWN
    found: npt.NDArray[np.bool_] = (meant[known] == YES)[np.argsort(-scores[known])]
    return found


def average_precision(meant: npt.NDArray[np.bool_]) -> float:
    """Return the mean precision at each photo that is meant, best score first."""
    return float((np.cumsum(meant) / np.arange(1, len(meant) + 1))[meant].mean())
