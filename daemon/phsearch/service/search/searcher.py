"""Answers queries: a text in the query language becomes a vector and filters, and those become photos."""

from __future__ import annotations

import datetime as dt
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachetools import LRUCache

from phsearch.domain.query import parse
from phsearch.domain.query.ast import Like
from phsearch.domain.search import everyday
from phsearch.domain.search.filters import ALWAYS, IndexedSpan
from phsearch.domain.search.languages import Remarks, remark
from phsearch.domain.search.near_duplicates import SimilarityThresholds, collapse
from phsearch.domain.search.own_calibration import LEAST_PHOTOS
from phsearch.domain.search.relevance import UNCALIBRATED
from phsearch.domain.search.search import Cutoff, list_by_date, rank, rank_by_date, rank_of, softmax_shares
from phsearch.domain.search.suggestions import check_names, names_beginning
from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.library import Library
    from phsearch.domain.query.ast import Query
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.search.filters import FilterCompiler
    from phsearch.domain.search.relevance import Band, Calibration, QueryKind
    from phsearch.domain.search.search import Rank, RankedPhoto, Ranking, Where
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import ModelIdentity, Photo
    from phsearch.service.search.query_embedder import EmbeddedAim, QueryEmbedder
    from phsearch.service.threads import SerialExecutor
    from phsearch.service.workers.model_state import ModelState

log = logging.getLogger("phsearch.query")


class CalibrationCache:
    """Looks up the calibration once for each model; `load` returns None where there is none."""

    def __init__(self, model: ModelState, load: Callable[[ModelIdentity], Calibration | None]) -> None:
        self._model = model
        self._load = load
        self._identity: ModelIdentity | None = None
        self._calibration = UNCALIBRATED

    def __call__(self) -> Calibration:
        """Return the calibration of the bound model, UNCALIBRATED if it has none."""
        identity = self._model.bound
        if identity is not None and identity != self._identity:
            self._identity = identity
            self._calibration = self._load(identity) or UNCALIBRATED
            if not self._calibration.fitted:
                log.info("the model is not calibrated yet: hits have scores but no relevance, and none are cut off")
        return self._calibration

    def forget(self) -> None:
        """Look for it again when it is needed next."""
        self._identity = None


_CANDIDATES_PER_HIT, _EXTRA_CANDIDATES, _MAX_CANDIDATES = 8, 50, 4_000
"""Where near-duplicates are collapsed, more photos than hits are needed: so many a hit and some, up to a maximum."""


_FOUND = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """One search, as the wire has it."""

    query: str
    limit: int = 20
    min_score: float | None = None
    min_band: Band | None = None
    min_relevance: float | None = None
    collapse: bool = False
    indexed_after: float | None = None
    indexed_until: float | None = None
    after_sequence: int | None = None
    until_sequence: int | None = None
    cwd: str | None = None

    @property
    def span(self) -> IndexedSpan:
        """When the photos that are wanted were indexed."""
        return IndexedSpan(
            times=(self.indexed_after, self.indexed_until), sequence=(self.after_sequence, self.until_sequence)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedHit:
    """One photo that is shown. It stands for `more` near-duplicates; `share` is its part of the model's softmax."""

    photo: Photo
    score: float
    relevance: float | None
    band: Band | None
    share: float | None
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResults:
    """The hits of a search; the numbers are those of `Ranking`."""

    query: Query
    hits: list[RankedHit]
    matching: int
    hidden: int
    closest: float | None
    nearest: list[RankedHit]
    remarks: Remarks


class Searcher:
    """Answers search requests; after the phrases are embedded each takes one turn of the rank thread."""

    def __init__(
        self,
        *,
        query_embedder: QueryEmbedder,
        filter_compiler: FilterCompiler,
        library: Library,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        roots: Roots,
        calibration: Callable[[], Calibration],
        model: ModelState,
        record_duration: Callable[[float], None],
        consider_calibrating: Callable[[Calibration], None] = lambda _calibration: None,
        today: Callable[[], dt.date] = dt.date.today,
    ) -> None:
        self._query_embedder = query_embedder
        self._filter_compiler = filter_compiler
        self._library = library
        self._index = index
        self._executor = rank_executor
        self._roots = roots
        self.calibration = calibration
        self._model = model
        self._record_duration = record_duration
        self._consider_calibrating = consider_calibrating
        self._today = today
        self.refused = 0
        """How many searches were answered with an error."""
        self._found: LRUCache[bytes, int] = LRUCache(_FOUND)

    async def search(self, request: SearchRequest) -> SearchResults:
        """Answer one request, and record its duration in seconds if there is an answer.

        Raises QueryError, UnsupportedQueryError, UnreadableImageError, NotReadyError or what is wrong with the model.
        """
        start = time.monotonic()
        try:
            results = await self._search(request)
        except PhsearchError:
            self.refused += 1
            raise
        self._record_duration(time.monotonic() - start)
        return results

    def often_found(self) -> list[bytes]:
        """Return the contents that were shown lately, by their digests, those shown most often first."""
        return sorted(self._found, key=self._found.__getitem__, reverse=True)

    def check(self, request: SearchRequest) -> None:
        """Raise what a search would raise at once."""
        self._query_embedder.check_aims(parse(request.query, self._today()).aims)

    async def rank_of(self, text: str, path: str) -> tuple[Rank, Band | None, Band | None] | None:
        """Return the rank of one photo for a query, its band, and that of the library's best; None if not indexed.

        Raises as `search`.
        """
        query = parse(text, self._today())
        embedded, calibration = await self._embed(query, None)
        roots = tuple(self._roots)

        def rank_one() -> Rank | None:
            where = self._where(query, SearchRequest(query=text), roots)
            if not query.aims:
                return rank_by_date(self._index, path, where)
            vector = self._query_embedder.query_vector(query.aims, embedded, calibration)
            return rank_of(
                self._index,
                path,
                vector,
                kind=_kind(query),
                combined=_is_combined(query),
                calibration=calibration,
                where=where,
            )

        found = await self._executor.submit(rank_one)
        if found is None:
            return None
        return found, _band(found.photo.relevance, calibration), _band(found.best, calibration)

    async def _search(self, request: SearchRequest) -> SearchResults:
        query = parse(request.query, self._today(), request.cwd)
        embedded, calibration = await self._embed(query, request.cwd)
        # Nothing is awaited in between: the rank thread sees the library as it is now.
        roots = tuple(self._roots) if query.filters else ()
        ranking, groups, remarks = await self._executor.submit(self._rank, query, embedded, request, calibration, roots)
        if not calibration.captioned and len(self._library) >= LEAST_PHOTOS:
            self._consider_calibrating(calibration)
        return SearchResults(
            query=query,
            hits=self._hits(ranking, groups, request.limit, calibration, ranks=bool(query.aims)),
            matching=ranking.matching,
            hidden=ranking.hidden,
            closest=ranking.closest,
            nearest=self._nearest(ranking.nearest, calibration),
            remarks=remarks,
        )

    async def _embed(self, query: Query, cwd: str | None) -> tuple[list[EmbeddedAim], Calibration]:
        """Return the aims' vectors by the model that answers when this returns, and its calibration."""
        if not query.aims:
            return [], self.calibration()
        while True:
            epoch, calibration = self._model.epoch, self.calibration()
            try:
                embedded = await self._query_embedder.embed_aims(query.aims, cwd, calibration.templates)
            except PhsearchError:
                # A misspelt name is reported first, whatever else is wrong.
                await self._executor.submit(self._check_names, query, tuple(self._roots))
                if epoch == self._model.epoch:
                    raise
            else:
                if epoch == self._model.epoch:
                    return embedded, calibration

    async def names_beginning(self, kind: str, prefix: str) -> list[str]:
        """Return names of cameras or folders of the library that begin with `prefix`."""
        roots = tuple(self._roots)
        return await self._executor.submit(names_beginning, kind, prefix, self._index.columns, roots)

    # --- on the rank thread -----------------------------------------------------------------------------------

    def _rank(
        self,
        query: Query,
        embedded: Sequence[EmbeddedAim],
        request: SearchRequest,
        calibration: Calibration,
        roots: Sequence[str],
    ) -> tuple[Ranking, list[list[int]], Remarks]:
        """Return the ranking, its photos as groups of near-duplicates by places in it, best first, and remarks."""
        where = self._where(query, request, roots)
        limit = request.limit
        if request.collapse:
            limit = min(limit * _CANDIDATES_PER_HIT + _EXTRA_CANDIDATES, _MAX_CANDIDATES)
        if query.aims:
            vector = self._query_embedder.query_vector(query.aims, embedded, calibration)
            ranking = rank(
                self._index,
                vector,
                kind=_kind(query),
                combined=_is_combined(query),
                calibration=calibration,
                where=where,
                cutoff=_cutoff(request, calibration),
                limit=limit,
            )
        else:
            ranking = list_by_date(self._index, where, limit)
        known = everyday.words().issuperset(request.query.split())
        remarks = Remarks() if known else remark(request.query, query, english_only=self._model.english_only)
        if not request.collapse:
            return ranking, [[place] for place in range(len(ranking.best))], remarks
        thresholds = SimilarityThresholds.known(calibration, self._index.sample())
        return ranking, collapse([each.photo for each in ranking.best], self._index.vectors, thresholds), remarks

    def _where(self, query: Query, request: SearchRequest, roots: Sequence[str]) -> Where:
        if not query.filters and request.span == ALWAYS:
            return None
        self._check_names(query, roots)
        return self._filter_compiler.compile(query.filters, request.span)

    def _check_names(self, query: Query, roots: Sequence[str]) -> None:
        check_names(query.filters, self._index.columns, self._filter_compiler, roots)

    # --- back on the event loop -------------------------------------------------------------------------------

    def _hits(
        self,
        ranking: Ranking,
        groups: Sequence[Sequence[int]],
        limit: int,
        calibration: Calibration,
        *,
        ranks: bool,
    ) -> list[RankedHit]:
        """Return one hit for each group whose best photo is still in the library, by its name of now."""
        there: dict[str, tuple[Photo, RankedPhoto, int]] = {}
        for group in groups:
            best = ranking.best[group[0]]
            photo = self._library.get(best.photo.path) or self._library.photo_by_digest(best.photo.digest)
            if photo is not None:
                there.setdefault(photo.path, (photo, best, len(group) - 1))
        shown = list(there.values())[:limit]
        for photo, _, _ in shown:
            self._found[photo.digest] = self._found.get(photo.digest, 0) + 1
        scores = [best.score for _, best, _ in shown]
        shares = softmax_shares(scores, self._model.logit_scale) if ranks else [None] * len(shown)
        return [
            _hit(photo, best, calibration, share, more)
            for (photo, best, more), share in zip(shown, shares, strict=True)
        ]

    def _nearest(self, nearest: Sequence[RankedPhoto], calibration: Calibration) -> list[RankedHit]:
        there = ((self._library.get(each.photo.path), each) for each in nearest)
        return [_hit(photo, each, calibration) for photo, each in there if photo is not None]


def _hit(
    photo: Photo, ranked: RankedPhoto, calibration: Calibration, share: float | None = None, more: int = 0
) -> RankedHit:
    band = _band(ranked.relevance, calibration)
    return RankedHit(photo=photo, score=ranked.score, relevance=ranked.relevance, band=band, share=share, more=more)


def _kind(query: Query) -> QueryKind:
    """Return which curve judges the query: that of photos only where it has nothing but photos."""
    return "photo" if all(isinstance(aim, Like) for aim in query.aims) else "words"


def _band(relevance: float | None, calibration: Calibration) -> Band | None:
    return None if relevance is None else calibration.band(relevance)


def _is_combined(query: Query) -> bool:
    """Whether the query vector is something else than that of one phrase or one photo."""
    return len(query.aims) > 1 or query.aims[0].weight < 0


def _cutoff(request: SearchRequest, calibration: Calibration) -> Cutoff:
    bounds = [] if request.min_relevance is None else [request.min_relevance]
    if request.min_band is not None:
        bounds.append(calibration.threshold(request.min_band))
    return Cutoff(
        score=request.min_score,
        relevance=max(bounds, default=None),
        # A few weak photos alone are chance: among thousands some are always a little like anything.
        best=calibration.likely if request.min_band == "weak" else 0.0,
    )
