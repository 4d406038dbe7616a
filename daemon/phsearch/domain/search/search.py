"""One search in the matrix: every photo is scored and judged, filters and cut-off are applied, and the best remain.

Filters and cut-off are masks over the exact scores. They are never applied to a list that was already cut, so no photo
is lost.

A query with several aims becomes one vector. For each aim a photo counts by how far it lies above the average, in
standard deviations of that aim's scores; the query is the weighted sum. In a plain sum of vectors a photo would
outweigh the words beside it: cosines between photos spread several times as widely as those between a text and photos.
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
    from phsearch.domain.search.relevance import Calibration, QueryKind
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Photo, Vectors

    Mask = npt.NDArray[np.bool_]
    """[n]."""
    Where = Callable[[Columns], Mask] | None
    """Returns which photos count, [n]; None: all do."""

_TINY = 1e-6
_NEAREST = 3
"""As many photos are named where none is good enough."""


@dataclass(frozen=True, slots=True)
class Cutoff:
    """The photos to leave out: those with a cosine below `score`, or a probability below `relevance`.

    All are left out where no photo of the library, filtered or not, has the probability `best`.
    """

    score: float | None = None
    relevance: float | None = None
    best: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedPhoto:
    """One photo with its cosine; `relevance` is None if the model is not calibrated."""

    photo: Photo
    score: float
    relevance: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The `best` photos, best first, of the `matching` ones that pass the filters.

    The cut-off leaves out `hidden` of them; `closest` is their highest relevance. `nearest` are the best few where it
    leaves out all.
    """

    best: list[RankedPhoto]
    matching: int
    hidden: int = 0
    closest: float | None = None
    nearest: tuple[RankedPhoto, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """The rank of one photo, from 1, among the `total` that pass the filters; `passes`: whether it passes them.

    It is its place by date where nothing else ranks. `best` is the highest relevance of the whole library.
    """

    rank: int
    total: int
    photo: RankedPhoto
    passes: bool
    by_date: bool = False
    best: float | None = None


_NO_CUTOFF = Cutoff()


def combine_vectors(aims: Vectors, weights: Sequence[float], spreads: Vectors) -> Vectors | None:
    """Return the [dim] unit vector of `aims` ([m, dim], unit rows) with their weights.

    `spreads` ([m]) are the standard deviations of the scores of photos in general for each aim. None if the aims cancel
    each other out: then nothing ranks.
    """
    factors: Vectors = (np.asarray(weights) / np.maximum(spreads, _TINY)).astype(np.float32)
    total: Vectors = factors @ aims
    length = float(np.linalg.norm(total))
    if length <= _TINY * float(np.abs(factors).sum()):
        return None
    unit: Vectors = total / np.float32(length)
    return unit


def _passing(index: VectorIndex, where: Where) -> Mask:
    return np.ones(len(index), np.bool_) if where is None else where(index.columns)


def rank(
    index: VectorIndex,
    query: Vectors,
    *,
    kind: QueryKind,
    combined: bool = False,
    calibration: Calibration,
    where: Where,
    limit: int,
    cutoff: Cutoff = _NO_CUTOFF,
) -> Ranking:
    """Return the `limit` photos nearest to `query` ([dim], unit length), ties by path."""
    if not len(index):
        return Ranking(best=[], matching=0)
    scores = index.scores(query)
    relevances = probabilities(calibration, query, scores, kind, combined=combined)
    passing = _passing(index, where)
    kept = passing.copy()
    if cutoff.score is not None:
        kept &= scores >= cutoff.score
    if cutoff.relevance is not None and relevances is not None:
        kept &= (relevances >= cutoff.relevance) & (relevances.max() >= cutoff.best)
    left_out = passing & ~kept
    hidden = int(np.count_nonzero(left_out))
    nearest = () if kept.any() else index.best(scores, left_out, _NEAREST)
    return Ranking(
        best=[_ranked(index, row, scores, relevances) for row in index.best(scores, kept, limit)],
        matching=int(np.count_nonzero(passing)),
        hidden=hidden,
        closest=float(relevances[left_out].max()) if hidden and relevances is not None else None,
        nearest=tuple(_ranked(index, row, scores, relevances) for row in nearest),
    )


def list_by_date(index: VectorIndex, where: Where, limit: int) -> Ranking:
    """Return the `limit` newest photos, for a query that only filters."""
    if not len(index):
        return Ranking(best=[], matching=0)
    passing = _passing(index, where)
    return Ranking(
        best=[RankedPhoto(photo=index.photo(row), score=0.0, relevance=None) for row in index.newest(passing, limit)],
        matching=int(np.count_nonzero(passing)),
    )


def rank_of(
    index: VectorIndex,
    path: str,
    query: Vectors,
    *,
    kind: QueryKind,
    combined: bool = False,
    calibration: Calibration,
    where: Where,
) -> Rank | None:
    """Return the rank of one photo; None if it is not indexed."""
    row = index.row(path)
    if row is None:
        return None
    scores = index.scores(query)
    relevances = probabilities(calibration, query, scores, kind, combined=combined)
    passing = _passing(index, where)
    above = passing & (scores > scores[row])
    ties = np.flatnonzero(passing & (scores == scores[row])).tolist()
    earlier_ties = sum(index.photo(tie).path < path for tie in ties)
    return Rank(
        rank=int(np.count_nonzero(above)) + earlier_ties + 1,
        total=int(np.count_nonzero(passing)),
        photo=_ranked(index, row, scores, relevances),
        passes=bool(passing[row]),
        best=None if relevances is None else float(relevances.max()),
    )


def rank_by_date(index: VectorIndex, path: str, where: Where) -> Rank | None:
    """Return the place of one photo in `list_by_date`; None if it is not indexed."""
    row = index.row(path)
    if row is None:
        return None
    passing = _passing(index, where).copy()
    total, passes = int(np.count_nonzero(passing)), bool(passing[row])
    passing[row] = True
    place = index.newest(passing, len(index)).index(row) + 1
    photo = RankedPhoto(photo=index.photo(row), score=0.0, relevance=None)
    return Rank(rank=place, total=total, photo=photo, passes=passes, by_date=True)


def softmax_shares(scores: Sequence[float], scale: float) -> list[float]:
    """Return the softmax of cosines under the model's logit scale: its choice if it had to choose one photo."""
    if not scores:
        return []
    logits = scale * (np.asarray(scores, np.float64) - max(scores))
    weights = np.exp(logits)
    return [float(share) for share in weights / weights.sum()]


def _ranked(index: VectorIndex, row: int, scores: Vectors, relevances: npt.NDArray[np.float64] | None) -> RankedPhoto:
    return RankedPhoto(
        photo=index.photo(row),
        score=float(scores[row]),
        relevance=None if relevances is None else float(relevances[row]),
    )
