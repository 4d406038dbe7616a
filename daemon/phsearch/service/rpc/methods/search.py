"""Searches, photos that could not be read, and why a photo is found or not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phsearch.domain.indexing.failure_kind import failure_kind
from phsearch.domain.model.catalog import resolve_name
from phsearch.domain.query import describe
from phsearch.domain.query.ast import Phrase
from phsearch.service.search.searcher import SearchRequest
from phsearch.wire.framing import fit_to_line
from phsearch.wire.results.library import Names, PhotoError, PhotoErrors
from phsearch.wire.results.search import Aim, Filter, Hit, SearchResult, UnderstoodQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.query.ast import Query
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.model_switch.switcher import ModelSwitch
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.roots.sync_barrier import SyncBarrier
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.search.explain import PathExplainer
    from phsearch.service.search.searcher import RankedHit, Searcher
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.wire.results.why import Explanation


class SearchMethods:
    """`search`, `library.names`, `library.errors`, `library.why`."""

    def __init__(
        self,
        *,
        searcher: Searcher,
        router: PipelineRouter,
        library: Library,
        monitors: Mapping[str, RootMonitor],
        explainer: PathExplainer,
        sync_barrier: SyncBarrier,
        throttle: IndexingThrottle,
        switch: ModelSwitch,
    ) -> None:
        self._searcher = searcher
        self._router = router
        self._library = library
        self._monitors = monitors
        self._explainer = explainer
        self._sync_barrier = sync_barrier
        self._throttle = throttle
        self._switch = switch

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {
            "search": self._search,
            "library.names": self._names,
            "library.errors": self._errors,
            "library.why": self._explain,
        }

    async def _search(self, *, sync: float | None, model: str | None, **request: Any) -> SearchResult:
        start = time.perf_counter()
        asked = SearchRequest(**request)
        search = self._searcher.search if model is None else self._switch.search_by(resolve_name(model, ""))
        synced = None
        if sync is not None:
            self._searcher.check(asked)  # a refusal does not wait for the sync
            synced = await self._sync_barrier.wait_for_sync(sync)
        found = await search(asked)
        return SearchResult(
            hits=fit_to_line(map(self._hit, found.hits)),
            understood=_understood(found.query),
            matching=found.matching,
            hidden=found.hidden,
            closest=_rounded(found.closest),
            nearest=tuple(map(self._hit, found.nearest)) or None,
            did_you_mean=found.remarks.did_you_mean,
            language=found.remarks.language,
            pending=self._router.pending,
            held=self._throttle.pause_reason,
            photos=len(self._library),
            took_ms=round((time.perf_counter() - start) * 1000, 2),
            synced=synced,
        )

    def _hit(self, hit: RankedHit) -> Hit:
        photo = hit.photo
        monitor = self._monitors[photo.root]
        offline = monitor.offline(photo.path)
        return Hit(
            path=photo.path,
            score=round(hit.score, 4),
            relevance=_rounded(hit.relevance),
            band=hit.band,
            share=_rounded(hit.share),
            more=hit.more,
            root=photo.root,
            taken_at=photo.taken_at,
            width=photo.info.width,
            height=photo.info.height,
            format=photo.info.format,
            camera=photo.info.camera,
            indexed_at=photo.indexed_at,
            sequence=photo.sequence,
            offline=offline,
            last_seen=monitor.seen_at(photo.path) if offline else None,
        )

    async def _names(self, *, kind: str, prefix: str) -> Names:
        return Names(names=tuple(await self._searcher.names_beginning(kind, prefix)))

    async def _errors(self, *, limit: int, offset: int) -> PhotoErrors:
        failures = self._library.failures()
        rows = (
            PhotoError(
                path=failure.path,
                reason=failure.reason,
                attempts=failure.attempts,
                failed_at=round(failure.failed_at, 3),
                kind=failure_kind(failure.reason),
                scope="content" if failure.decoder else "file",
            )
            for failure in failures[offset : offset + limit]
        )
        return PhotoErrors(errors=fit_to_line(rows), total=len(failures))

    async def _explain(self, *, path: str, query: str | None) -> Explanation:
        return await self._explainer.explain(path, query)


def _understood(query: Query) -> UnderstoodQuery:
    aims = (
        Aim(text=aim.text, weight=aim.weight) if isinstance(aim, Phrase) else Aim(like=aim.path, weight=aim.weight)
        for aim in query.aims
    )
    filters = (Filter(key=each.key, value=each.value, negated=each.negated) for each in describe(query))
    return UnderstoodQuery(aims=tuple(aims), filters=tuple(filters))


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
