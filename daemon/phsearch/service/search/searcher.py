"""Answer queries: what is said in the query language becomes a vector and a mask, and those become photos."""

from __future__ import annotations

import datetime as dt
import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from phsearch.domain.histogram import Histogram
from phsearch.domain.query import parse
from phsearch.domain.query.ast import Like
from phsearch.domain.search.near_duplicates import SimilarityThresholds, collapse
from phsearch.domain.search.relevance import UNCALIBRATED
from phsearch.domain.search.search import Cutoff, list_by_date, rank, rank_of, softmax_shares
from phsearch.domain.search.suggestions import check_names
from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.library import Library
    from phsearch.domain.query.ast import Query
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.search.filters import FilterCompiler
    from phsearch.domain.search.relevance import Band, Calibration, Kind
    from phsearch.domain.search.search import Rank, RankedPhoto, Ranking, Where
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import ModelIdentity, Photo
    from phsearch.service.search.query_embedder import QueryEmbedder
    from phsearch.service.threads import SerialExecutor

# Which calibration judges the hits: that of the model the index is bound to, if there is one.


log = logging.getLogger("phsearch.query")


class CalibrationCache:
    """Looked up once for each model; `load` gives None where there is none for it."""

    def __init__(
        self, bound: Callable[[], ModelIdentity | None], load: Callable[[ModelIdentity], Calibration | None]
    ) -> None:
        self._bound = bound
        self._load = load
        self._of: ModelIdentity | None = None
        self._calibration = UNCALIBRATED

    def __call__(self) -> Calibration:
        """Give it."""
        identity = self._bound()
        if identity is not None and identity != self._of:
            self._of = identity
            self._calibration = self._load(identity) or UNCALIBRATED
            if not self._calibration.fitted:
                log.info("the model is not calibrated: hits have scores but no relevance, and none are cut off")
        return self._calibration


_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_BURST, _SPARE, _MOST = 8, 50, 4_000
"""Where moments are one hit each more candidates are looked at: so many a hit, and some; never more than so many."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One question, as the wire has it."""

    query: str
    limit: int = 20
    min_score: float | None = None
    min_band: Band | None = None
    min_relevance: float | None = None
    collapse: bool = False
    indexed_after: float | None = None
    indexed_until: float | None = None
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class RankedHit:
    """One photo that is shown; `more` near-duplicates stand behind it, `share` is its part of the model's softmax."""

    photo: Photo
    score: float
    relevance: float | None
    band: Band | None
    share: float | None
    more: int


@dataclass(frozen=True, slots=True)
class SearchResults:
    """What a question found; see `Outcome`."""

    query: Query
    hits: list[RankedHit]
    matching: int
    hidden: int
    closest: float | None


class Searcher:
    """Questions in, photos out."""

    def __init__(
        self,
        query_embedder: QueryEmbedder,
        library: Library,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        roots: Roots,
        filter_compiler: FilterCompiler,
        calibration: Callable[[], Calibration],
        logit_scale: Callable[[], float],
        today: Callable[[], dt.date] = dt.date.today,
    ) -> None:
        self._query_embedder = query_embedder
        self._library = library
        self._index = index
        self._executor = rank_executor
        self._roots = roots
        self._filters = filter_compiler
        self.calibration = calibration
        self._logit_scale = logit_scale
        self._today = today
        self.durations = Histogram(_BOUNDS)
        """Seconds of the searches that were answered."""
        self.refused = 0

    async def search(self, ask: SearchRequest) -> SearchResults:
        """Answer one question.

        Raises QueryError, UnsupportedQueryError, UnreadableImageError, NotReadyError or what is wrong with the model.
        """
        start = time.monotonic()
        try:
            found = await self._search(ask)
        except PhsearchError:
            self.refused += 1
            raise
        self.durations.observe(time.monotonic() - start)
        return found

    def check(self, ask: SearchRequest) -> None:
        """Raise what a search would raise at once."""
        self._query_embedder.check_aims(parse(ask.query, self._today()).aims)

    async def rank_of(self, text: str, path: str) -> tuple[Rank, Band | None] | None:
        """Say where one photo stands for a query, and in which band; None where it is not here, or nothing ranks.

        Raises as `search`.
        """
        query = parse(text, self._today())
        if not query.aims:
            return None
        where = await self._where(query, SearchRequest(text))
        vector = await self._query_embedder.query_vector(query.aims, None)
        calibration = self.calibration()
        found = await self._executor.submit(rank_of, self._index, path, vector, _kind(query), calibration, where)
        if found is None:
            return None
        relevance = found.photo.relevance
        return found, None if relevance is None else calibration.band(relevance)

    async def _search(self, ask: SearchRequest) -> SearchResults:
        query = parse(ask.query, self._today())
        where = await self._where(query, ask)
        calibration = self.calibration()
        most = min(ask.limit * _BURST + _SPARE, _MOST) if ask.collapse else ask.limit
        if query.aims:
            vector = await self._query_embedder.query_vector(query.aims, ask.cwd)
            cut = Cutoff(ask.min_score, _min_relevance(ask, calibration))
            judged = partial(rank, self._index, vector, _kind(query), calibration)
            result: Ranking = await self._executor.submit(judged, where, cut, most)
        else:
            result = await self._executor.submit(list_by_date, self._index, where, most)
        hits = await self._hits(result.best, ask, calibration, ranks=bool(query.aims))
        return SearchResults(query, hits, result.matching, result.hidden, result.closest)

    async def _where(self, query: Query, ask: SearchRequest) -> Where:
        await self._executor.submit(check_names, query.filters, self._index.columns, self._filters, tuple(self._roots))
        return self._filters.compile(query.filters, ask.indexed_after, ask.indexed_until)

    async def _hits(
        self, best: Sequence[RankedPhoto], ask: SearchRequest, calibration: Calibration, *, ranks: bool
    ) -> list[RankedHit]:
        known = [(photo, each) for each in best if (photo := self._library.get(each.path)) is not None]
        groups = [(photo, each, 0) for photo, each in known[: ask.limit]]
        if ask.collapse:
            photos = [photo for photo, _ in known]
            moments = await self._executor.submit(self._collapsed, photos, calibration)
            moments = moments[: ask.limit]
            groups = [(*known[moment[0]], len(moment) - 1) for moment in moments]
        parts = (
            softmax_shares([each.score for _, each, _ in groups], self._logit_scale())
            if ranks
            else [None] * len(groups)
        )
        return [
            RankedHit(
                photo,
                each.score,
                each.relevance,
                None if each.relevance is None else calibration.band(each.relevance),
                share,
                more,
            )
            for (photo, each, more), share in zip(groups, parts, strict=True)
        ]

    def _collapsed(self, photos: Sequence[Photo], calibration: Calibration) -> list[list[int]]:
        thresholds = SimilarityThresholds.known(calibration, self._index.sample())
        return collapse(photos, self._index.vectors, thresholds)


def _kind(query: Query) -> Kind:
    """Say which curve judges the query: that of photos only where nothing else is in it."""
    return "photo" if all(isinstance(aim, Like) for aim in query.aims) else "words"


def _min_relevance(ask: SearchRequest, calibration: Calibration) -> float | None:
    wanted = [] if ask.min_relevance is None else [ask.min_relevance]
    if ask.min_band is not None:
        wanted.append(calibration.threshold(ask.min_band))
    return max(wanted, default=None)
