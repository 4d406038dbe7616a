"""Measures the quality of a ranking and of a cut-off."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.calibration.fitting import average_precision, by_score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from phsearch.domain.calibration.libraries import Library
    from quality.material import Asked

DEPTHS = (1, 5, 10)
_DEEP = 10


@dataclass(frozen=True, slots=True)
class Ranking:
    """Captions: share of their photos among the first 1, 5, 10; words: mean average precision and nDCG@10."""

    recall: tuple[float, ...]
    precision: float
    gain: float


def ranking(about: Asked, scores: npt.NDArray[np.float64] | None = None) -> Ranking:
    """Measure the ranking of `scores`, [m, n], or of the cosines."""
    scores = np.asarray(about.texts @ about.photos.T, np.float64) if scores is None else scores
    own = [(row, case.photo) for row, case in enumerate(about.cases) if case.photo >= 0]
    places = np.array([(scores[row] > scores[row, photo]).sum() for row, photo in own])
    sorted_ = [by_score(scores[row], case.meant) for row, case in enumerate(about.cases[: about.words])]
    return Ranking(
        tuple(100 * float((places < depth).mean()) for depth in DEPTHS),
        float(np.mean([average_precision(meant) for meant in sorted_])),
        float(np.mean([_gain(meant) for meant in sorted_])),
    )


@dataclass(frozen=True, slots=True)
class Cut:
    """The quality of a cut-off: `precision`, recall by kind of library, how often it is `silent` if none is meant."""

    precision: float
    recall: float
    few: float
    subject: float
    silent: float


def cut(dealt: Sequence[Library], shown: Callable[[Library], npt.NDArray[np.bool_]]) -> Cut:
    """Measure a cut-off on libraries; `shown` returns which photos of a library it shows."""
    precision: list[float] = []
    silent: list[bool] = []
    recall: dict[str, list[float]] = {"mixed": [], "few": [], "subject": []}
    for library in dealt:
        seen = shown(library)
        if not library.meant.any():
            silent.append(not seen.any())
            continue
        hit = int((seen & library.meant).sum())
        recall[library.kind].append(hit / int(library.meant.sum()))
        if library.kind != "subject" and seen.any():
            precision.append(hit / int(seen.sum()))
    mixed, few, subject = (_mean(recall[kind]) for kind in ("mixed", "few", "subject"))
    return Cut(_mean(precision), mixed, few, subject, _mean(silent))


def calibration_error(probabilities: npt.NDArray[np.float64], meant: npt.NDArray[np.bool_], bins: int = 15) -> float:
    """Return the expected calibration error over bins of equally many photos (Naeini et al. 2015)."""
    parts = np.array_split(np.argsort(probabilities), bins)
    gaps = [len(part) * abs(probabilities[part].mean() - meant[part].mean()) for part in parts if len(part)]
    return float(sum(gaps) / len(probabilities))


def reliability(
    probabilities: npt.NDArray[np.float64], meant: npt.NDArray[np.bool_], edges: Sequence[float]
) -> list[tuple[float, float, int]]:
    """Return (mean probability, share that is meant, number) of the photos between edges."""
    rows = []
    for low, high in itertools.pairwise(edges):
        inside = (probabilities >= low) & (probabilities < high)
        if inside.any():
            rows.append((float(probabilities[inside].mean()), float(meant[inside].mean()), int(inside.sum())))
    return rows


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _gain(meant: npt.NDArray[np.bool_]) -> float:
    discount = 1 / np.log2(np.arange(2, _DEEP + 2))
    first = meant[:_DEEP]
    return float((first * discount[: len(first)]).sum() / discount[: min(_DEEP, int(meant.sum()))].sum())
