"""One search in the matrix: every photo scored and judged, the filters' mask laid over it, the best of what is left.

Filters and cut-off are masks over the exact scores, never applied to a list that was cut before: no photo is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.search.relevance import probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from phsearch.domain.search.columns import Columns
    from phsearch.domain.search.relevance import Calibration, Kind
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Photo, Vectors

    Mask = npt.NDArray[np.bool_]
    """[n]."""
    Where = Callable[[Columns], Mask]


# Several words and photos as one query vector.
#
# Each aim says of every photo how far above the average it is for it, in standard deviations of its own scores; the
# query is the weighted sum of that. A plain sum of vectors would let a photo drown the words beside it: cosines between
# photos spread several times as widely as those between a text and photos.


_LEAST = 1e-6


def combine_vectors(aims: Vectors, weights: Sequence[float], spreads: Vectors) -> Vectors | None:
    """Give the [dim] unit vector of `aims` ([m, dim], unit rows) with their weights.

    `spreads` ([m]) are the standard deviations of the scores that photos in general have for each aim. None where the
    aims cancel out: nothing is left to rank by.
    """
    factors: Vectors = (np.asarray(weights) / np.maximum(spreads, _LEAST)).astype(np.float32)
    total: Vectors = factors @ aims
    length = float(np.linalg.norm(total))
    if length <= _LEAST * float(np.abs(factors).sum()):
        return None
    unit: Vectors = total / np.float32(length)
    return unit


@dataclass(frozen=True, slots=True)
class Cutoff:
    """What is left out: photos below this cosine, or less probable than this."""

    score: float | None = None
    relevance: float | None = None


@dataclass(frozen=True, slots=True)
class RankedPhoto:
    """One photo as it ranks; `relevance` is None where nothing can be said of it."""

    photo: Photo
    score: float
    relevance: float | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """`best` first; `matching` photos pass the filters, of which the cut leaves out `hidden`, at best `closest`."""

    best: list[RankedPhoto]
    matching: int
    hidden: int = 0
    closest: float | None = None


@dataclass(frozen=True, slots=True)
class Rank:
    """Where one photo ranks, from 1, of how many that pass the filters; `passes` says whether it does."""

    rank: int
    total: int
    photo: RankedPhoto
    passes: bool


def rank(
    index: VectorIndex, query: Vectors, kind: Kind, calibration: Calibration, where: Where, cut: Cutoff, most: int
) -> Ranking:
    """Give the `most` photos nearest to `query` ([dim], unit length), ties by path."""
    if not len(index):
        return Ranking([], 0)
    scores = index.scores(query)
    chances = probabilities(calibration, query, scores, kind)
    passing = where(index.columns)
    kept = passing.copy()
    if cut.score is not None:
        kept &= scores >= cut.score
    if cut.relevance is not None and chances is not None:
        kept &= chances >= cut.relevance
    matching, left = int(np.count_nonzero(passing)), passing & ~kept
    hidden = int(np.count_nonzero(left))
    closest = float(chances[left].max()) if hidden and chances is not None else None
    rows = index.best(scores, kept, most)
    return Ranking([_candidate(index, row, scores, chances) for row in rows], matching, hidden, closest)


def list_by_date(index: VectorIndex, where: Where, most: int) -> Ranking:
    """Give the `most` newest photos, for a query that only filters."""
    if not len(index):
        return Ranking([], 0)
    passing = where(index.columns)
    rows = index.newest(passing, most)
    return Ranking([RankedPhoto(index.photo(row), 0.0, None) for row in rows], int(np.count_nonzero(passing)))


def rank_of(
    index: VectorIndex, path: str, query: Vectors, kind: Kind, calibration: Calibration, where: Where
) -> Rank | None:
    """Say where one photo stands; None where it is not here."""
    row = index.row(path)
    if row is None:
        return None
    scores = index.scores(query)
    passing = where(index.columns)
    above = passing & (scores > scores[row])
    ties = sum(index.photo(tie).path < path for tie in np.flatnonzero(passing & (scores == scores[row])).tolist())
    candidate = _candidate(index, row, scores, probabilities(calibration, query, scores, kind))
    rank = int(np.count_nonzero(above)) + ties + 1
    return Rank(rank, int(np.count_nonzero(passing)), candidate, bool(passing[row]))


def softmax_shares(scores: Sequence[float], scale: float) -> list[float]:
    """Give the softmax of cosines under the model's own logit scale: what it would say if it had to choose one."""
    if not scores:
        return []
    logits = scale * (np.asarray(scores, np.float64) - max(scores))
    weights = np.exp(logits)
    return [float(share) for share in weights / weights.sum()]


def _candidate(index: VectorIndex, row: int, scores: Vectors, chances: npt.NDArray[np.float64] | None) -> RankedPhoto:
    return RankedPhoto(index.photo(row), float(scores[row]), None if chances is None else float(chances[row]))
