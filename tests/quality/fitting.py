"""Fits a calibration to photos with captions and labels: reference, templates if they find better, and curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.search.own_calibration import LIKELY, STRONG, TEMPLATES, WEAK, GeneralCurve
from phsearch.domain.search.relevance import Calibration, Curve
from quality import libraries, truth
from quality.figures import mean_precision
from quality.labels import all_pairs
from quality.material import asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from phsearch.domain.types import Vectors
    from quality.embed import Embedder
    from quality.libraries import Library
    from quality.material import Material

_STEPS = 50
_RIDGE = 1e-6


def calibrate(image_worker: Embedder, material: Material) -> Calibration:
    """Fit the whole calibration on the photos for choices."""
    reference = image_worker.photos(material.reference)
    mean, covariance = reference.mean(axis=0), np.cov(reference.T).astype(np.float32)
    plain, mixed = (asked(image_worker, material.fit, templates) for templates in (("{}",), TEMPLATES))
    better = mean_precision(mixed) > mean_precision(plain)
    chosen, templates = (mixed, TEMPLATES) if better else (plain, ("{}",))
    words = curve(chosen.texts, chosen.photos, [case.meant for case in chosen.cases], mean, covariance)
    alike = all_pairs(truth.pairs(material.fit.captioned), material.fit.labelled)
    photo = curve(chosen.photos, chosen.photos, list(alike), mean, covariance)
    return Calibration(
        words=words,
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
    """Fit the curve on libraries drawn from `photos`, [n, dim], for `queries`, [m, dim]."""
    cosines = np.asarray(queries @ photos.T, np.float64)
    stds = spreads(queries, covariance)
    dealt = list(libraries.deal(meant, seed))
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
